"""Consent, tickets and events: recognised in exports of many tools, and what is missing said."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from orchestration.config import PROJECT_ROOT
from orchestration.privacy.links import raw_reader, table_links
from orchestration.scaffold.errors import ScaffoldError
from orchestration.scaffold.plan import SourcePlan, Wishes
from orchestration.scaffold.role_words import plain_word, plain_word_duckdb, role_words
from orchestration.scaffold.source import add_source
from orchestration.sources.contract import load_contract, load_contracts
from tests.unit.scaffold.conftest import DAY, OwnSettings
from tests.unit.scaffold.role_files import (
    analytics_export,
    audience,
    click_log,
    collector_events,
    desk_list,
    desk_tickets,
    product_events,
    shop_customers,
    subscriptions,
)
from tests.unit.scaffold.user_files import crm_contacts, german_customers, order_lines

pytestmark = pytest.mark.usefixtures("no_losses")
Planned = Callable[..., SourcePlan]
MAILING = {"given": ["purpose=marketing", "channel=email"]}


def columns(plan: SourcePlan, role: str) -> dict[str, str]:
    return {name: column.physical_name for name, column in plan.readings[role].columns.items()}


@pytest.mark.parametrize("make", [german_customers, crm_contacts, order_lines])
def test_lists_of_people_and_orders_hold_no_other_role(
    plan: Planned, tmp_path: Path, make: Callable[..., Path]
) -> None:
    assert plan(make(tmp_path)).readings == {}


def test_subscriptions_by_topic(plan: Planned, tmp_path: Path) -> None:
    found = plan(subscriptions(tmp_path))

    assert found.feeds == ("customer_records", "consent_events")
    assert columns(found, "consent_events") == {
        "answer": "Subscription status", "purpose": "Subscription name", "channel": "Communication channel",
        "occurred_at": "Updated at", "legal_basis": "Legal basis",
    }  # fmt: skip
    assert found.keys.record is not None and found.keys.record.physical_name == "Contact ID"
    assert found.keys.columns == ()
    assert any("'Asked for a call'" in flag and "count as withdrawn" in flag for flag in found.flags)
    assert any("'Not specified' is no answer" in flag for flag in found.flags)
    assert any("--timezone" in flag for flag in found.flags)


def test_an_audience_needs_to_be_told_what_its_status_is_about(plan: Planned, tmp_path: Path) -> None:
    file = audience(tmp_path)
    bare, told = plan(file), plan(file, **MAILING)

    assert bare.feeds == ("customer_records",)
    [flag] = [flag for flag in bare.flags if "consent_events" in flag]
    assert "--set purpose=marketing" in flag and "--map channel=COLUMN" in flag
    with pytest.raises(ScaffoldError, match=r"no column tells the purpose .*--set purpose=marketing"):
        plan(file, feeds=["consent_events"])
    assert told.feeds == ("customer_records", "consent_events")
    [answer] = told.readings["consent_events"].answers
    assert (answer.purpose, answer.channel, answer.refusing) == ("marketing", "email", False)
    assert set(told.readings["consent_events"].times) == {"granted_at", "withdrawn_at"}


def test_columns_that_are_answers(plan: Planned, tmp_path: Path) -> None:
    found = plan(shop_customers(tmp_path))

    assert found.feeds == ("customer_records", "consent_events")
    assert [
        (a.column.physical_name, a.purpose, a.channel, a.refusing) for a in found.readings["consent_events"].answers
    ] == [
        ("Accepts Email Marketing", "marketing", "email", False),
        ("Newsletter", "marketing", "email", False),
        ("Do not call marketing", "marketing", "phone", True),
    ]
    assert found.keys.record is not None and found.keys.record.physical_name == "Customer ID"
    assert not any("--timezone" in flag for flag in found.flags)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("Newsletter", "granting"), ("sms_opt_in", "granting"), ("marketing consent", "granting"),
        ("newsletter_blocked", "refusing"), ("consent_withdrawn", "refusing"), ("Einwilligung widerrufen", "refusing"),
        ("no newsletter", "refusing"), ("keine Werbung", "refusing"), ("do_not_email", "refusing"),
        ("Opted out of email: Marketing Information", "refusing"), ("hs_email_optout", "refusing"),
        ("Unsubscribed", "refusing"), ("subscription cancelled", "refusing"), ("not_subscribed", "refusing"),
        ("consent_date", None), ("consent_required", None), ("opt_in_ip", None), ("order no", None), ("sold out", None),
    ],
)  # fmt: skip
def test_what_a_column_of_yes_and_no_answers(plan: Planned, column: str, kind: str | None) -> None:
    rows = "".join(f"{i},p{i}@example.org,{'yes' if i % 2 else 'no'}\n" for i in range(20))
    found = plan("list.csv", f"id,email,{column}\n{rows}", given=["purpose=marketing", "channel=email"])

    answers = found.readings["consent_events"].answers if found.readings else ()
    assert [answer.refusing for answer in answers] == ([] if kind is None else [kind == "refusing"])


@pytest.mark.parametrize(
    ("make", "person", "kind"), [(desk_tickets, "requester.id", "column"), (desk_list, "Email", "email")]
)
def test_tickets(plan: Planned, tmp_path: Path, make: Callable[..., Path], person: str, kind: str) -> None:
    found = plan(make(tmp_path))

    assert found.feeds == ("customer_records", "support_tickets")
    assert found.keys.record is not None
    assert (found.keys.record.physical_name, found.keys.record_kind) == (person, kind)
    assert {"id", "created_at", "status", "subject", "channel", "satisfaction"} <= columns(
        found, "support_tickets"
    ).keys()


def test_events_of_a_collector(plan: Planned, tmp_path: Path) -> None:
    found = plan(collector_events(tmp_path))

    assert found.feeds == ("customer_records", "record_identifiers", "customer_events")
    assert columns(found, "customer_events") == {
        "name": "event", "kind": "type", "occurred_at": "timestamp", "id": "messageId", "user": "userId",
        "visitor": "anonymousId", "device": "context.device.id", "platform": "context.device.type",
        "amount": "properties.revenue", "currency": "properties.currency",
    }  # fmt: skip
    meanings = {column.profile.physical_name: column.proposal.semantic for column in found.columns}
    assert (meanings["name"], meanings["properties.name"], meanings["traits.email"]) == (None, None, "email")
    classes = {column.profile.physical_name: column.classification for column in found.columns}
    assert (classes["context.ip"], classes["event"], classes["userId"]) == ("personal", "internal", "pseudonymous")


@pytest.mark.parametrize(
    ("make", "expected", "epoch"),
    [
        (analytics_export, {"user": "user_id", "visitor": "user_pseudo_id", "occurred_at": "event_timestamp"}, "us"),
        (product_events, {"user": "properties.distinct_id", "occurred_at": "properties.time"}, "s"),
        (click_log, {"user": "customer_id", "name": "action", "occurred_at": "event_time"}, None),
    ],
)
def test_events_of_other_tools(
    plan: Planned, tmp_path: Path, make: Callable[..., Path], expected: dict[str, str], epoch: str | None
) -> None:
    found = plan(make(tmp_path))

    assert expected.items() <= columns(found, "customer_events").items()
    assert found.named(found.readings["customer_events"].columns["occurred_at"]).epoch == epoch


def test_amounts_need_a_currency(plan: Planned, tmp_path: Path) -> None:
    file = analytics_export(tmp_path)

    assert any("--set currency=EUR" in flag for flag in plan(file).flags)
    assert not any("currency" in flag for flag in plan(file, given=["currency=eur"]).flags)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mapped": ["purpose"]}, "--map purpose: write attribute="),
        ({"mapped": ["purpose=Nothing"]}, "the file has no column 'Nothing'; it has Email Address"),
        ({"mapped": ["colour=Status"]}, "'colour' is unknown; known are"),
        ({"given": ["status=granted"]}, "only purpose, channel, legal_basis, currency can be the same"),
        ({"given": ["legal_basis=hope"]}, "one of consent, contract, "),
        ({"given": ["currency=euro"]}, "ISO 4217"),
        ({"zone": "Berlin"}, "write it as Europe/Berlin"),
        ({"feeds": ["support_tickets"]}, "no column tells the id .*--map id=COLUMN"),
        ({"feeds": ["customer_events"]}, "no column"),
        ({"feeds": ["tickets"]}, "is unknown; known are customer_records"),
    ],
)
def test_what_does_not_fit_is_said_with_the_way_out(
    plan: Planned, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ScaffoldError, match=message):
        plan(audience(tmp_path), **options)


def test_a_column_that_no_word_tells_is_named(plan: Planned, tmp_path: Path) -> None:
    rows = "".join(f"p{i}@example.org,{'Ja' if i % 2 else 'Nein'},Newsletter,E-Mail,{i}\n" for i in range(20))
    text = f"mail,feld_9,thema,weg,nr\n{rows}"

    with pytest.raises(ScaffoldError, match="no column tells the answer"):
        plan("list.csv", text, feeds=["consent_events"], mapped=["purpose=thema", "channel=weg"])
    found = plan("list.csv", text, feeds=["consent_events"], mapped=["answer=feld_9", "purpose=thema", "channel=weg"])
    assert columns(found, "consent_events")["answer"] == "feld_9"


def test_ids_of_another_source(plan: Planned, tmp_path: Path) -> None:
    alone, of_shop = plan(click_log(tmp_path)), plan(click_log(tmp_path), people="shop")

    assert any("--people SOURCE" in flag for flag in alone.flags)
    assert of_shop.feeds == ("customer_events",)
    assert {c.name: c.records_of for c in of_shop.columns if c.records_of} == {"customer_id": "shop"}


def test_people_are_those_of_an_active_source(settings: OwnSettings, tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="--people shop: no active source of that name has people; known are none"):
        add_source(settings, click_log(tmp_path), "own", DAY, wishes=Wishes(people="shop"))


def test_requests_on_a_person_find_rows_that_name_another_sources_id(settings: OwnSettings, tmp_path: Path) -> None:
    for name in ("crm", "shop"):
        text = (PROJECT_ROOT / "data" / "contracts" / f"{name}.odcs.yaml").read_text(encoding="utf-8")
        (settings.contracts / f"{name}.odcs.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ScaffoldError, match="--only sets shop aside, of which --people takes the people"):
        add_source(settings, click_log(tmp_path), "own", DAY, wishes=Wishes(people="shop"), only=True)

    added = add_source(settings, click_log(tmp_path), "own", DAY, wishes=Wishes(people="shop"))

    # The sample owes a delivery for the day, and stays all the same: its people are needed.
    assert (added.set_aside, added.owed) == ((), ("crm", "shop"))
    links = next(one for one in table_links(load_contracts(settings.contracts)) if one.table.source == "own")
    assert "'shop:' || r.\"customer_id\"::varchar" in links.record_ids(raw_reader("r"))


@pytest.mark.parametrize(
    ("make", "wishes"),
    [
        (subscriptions, Wishes(zone="Europe/Berlin")), (audience, Wishes(**MAILING)), (shop_customers, Wishes()),
        (desk_tickets, Wishes()), (desk_list, Wishes(delivery="snapshot")), (collector_events, Wishes()),
        (analytics_export, Wishes(given=["currency=EUR"])), (product_events, Wishes()), (click_log, Wishes()),
    ],
)  # fmt: skip
def test_what_is_written_is_valid(
    settings: OwnSettings, tmp_path: Path, make: Callable[..., Path], wishes: Wishes
) -> None:
    added = add_source(settings, make(tmp_path), "own", DAY, wishes=wishes)

    assert added.rows_quarantined == 0
    [table] = load_contract(added.contract).tables
    assert table.feeds == added.plan.feeds
    for role in added.plan.feeds:
        assert (added.staging / f"stg_own__{role}.sql").is_file()
    assert (added.staging / "_own__unit_tests.yml").is_file()
    written = "".join(path.read_text(encoding="utf-8") for path in (added.contract, *added.staging.iterdir()))
    assert not [value for value in ("person1@", "Jürgen", "Parcel", "10.1.0.", "Asked for") if value in written]


def test_a_word_that_later_files_bring_is_a_warning(settings: OwnSettings, tmp_path: Path) -> None:
    added = add_source(settings, subscriptions(tmp_path), "own", DAY)
    [table] = load_contract(added.contract).tables
    [rule] = table.quality

    assert (rule["severity"], rule["mustBe"]) == ("warning", 0)
    with duckdb.connect() as con:
        con.execute(
            "create table batch as from (values ('Opted in'), ('OPTED-OUT'), (''), (null), ('Perhaps')) t(subscription_status)"
        )
        assert con.execute(rule["query"].replace("${object}", "batch")).fetchall() == [(1,)]


@pytest.mark.parametrize("value", ["Opted-out!", "  Ja ", "désabonné", "Not specified", "YES", "n/a", "x_y  z"])
def test_words_are_compared_alike_in_python_and_sql(value: str) -> None:
    with duckdb.connect() as con:
        assert con.execute(f"select {plain_word_duckdb('$1')}", [value]).fetchall() == [(plain_word(value),)]


def test_no_word_means_two_things() -> None:
    words = role_words()
    for kind in ("answers", "legal_bases", "ticket_status", "event_names"):
        listed = words.all_of(kind)
        assert len(listed) == len(set(listed)), kind
    assert all(plain_word(word) == word for kind in words.values for word in words.all_of(kind))
    assert set(words.plain_no).isdisjoint(words.of("answers", "granted"))
