"""Entering consent and restrictions: for whom, what is refused, and that the audit log names nobody."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.ledger.audit import entries, utc_now, verify
from orchestration.ledger.consent import read_consent
from orchestration.ledger.errors import LedgerError
from orchestration.ledger.restrictions import read_restrictions
from orchestration.ledger.store import Ledger
from orchestration.privacy.consent import Answer, as_utc, set_consent, show_consent
from orchestration.privacy.errors import AmbiguousPersonError, PrivacyError, UnknownPersonError
from orchestration.privacy.people import Named, find_person
from orchestration.privacy.purposes import PurposeError
from orchestration.privacy.restriction import decide_restriction
from orchestration.sources.contract import load_contracts

CONTRACTS = load_contracts(PROJECT_ROOT / "data" / "contracts")
WITHDRAWN = Answer("marketing", "email", "withdrawn", "consent", "phone", reason="called on Monday")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute(
            """
            create schema resolution; create schema cleansing; create schema marts;
            create table resolution.memberships as from (values
                ('crm:1', 'cus_a'), ('shop:2', 'cus_a'), ('crm:3', 'cus_b'), ('crm:4', 'cus_c')
            ) as t(record_id, customer_id);
            create table cleansing.standardised_records as from (values
                ('crm:1', 'ann@example.com'), ('shop:2', 'ann@example.com'), ('crm:3', 'shared@example.com'),
                ('crm:4', 'shared@example.com')
            ) as t(record_id, email);
            create table marts.customer_id_redirects as select 'cus_old' as customer_id, 'cus_a' as current_customer_id
            """
        )
        yield made


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.of(Settings(data=tmp_path))


@pytest.mark.parametrize(
    "named", [Named(customer="cus_a"), Named(customer="cus_old"), Named(email=" ANN@example.com ")], ids=str
)
def test_an_answer_of_a_customer_is_attached_to_each_record(
    con: duckdb.DuckDBPyConnection, ledger: Ledger, named: Named
) -> None:
    person, kept = set_consent(con, ledger, CONTRACTS, named, WITHDRAWN, actor="anna")
    assert (person.customer_id, person.whole) == ("cus_a", True)
    assert [(d.record_id, d.customer_id, d.status, d.method) for d in kept] == [
        ("crm:1", "cus_a", "withdrawn", "phone"), ("shop:2", "cus_a", "withdrawn", "phone"),
    ]  # fmt: skip
    assert read_consent(ledger) == kept
    assert read_consent(ledger, ["shop:2"]) == kept[1:]


def test_a_record_can_answer_alone(con: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    person, kept = set_consent(con, ledger, CONTRACTS, Named(record="crm:1"), WITHDRAWN, actor="anna")
    assert not person.whole
    assert [(d.record_id, d.customer_id) for d in kept] == [("crm:1", None)]


def test_the_audit_log_names_nobody(con: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    set_consent(con, ledger, CONTRACTS, Named(email="ann@example.com"), WITHDRAWN, actor="anna")
    decide_restriction(
        con, ledger, CONTRACTS, Named(customer="cus_a"), "restricted", reason="ann objects", actor="anna"
    )
    decide_restriction(con, ledger, CONTRACTS, Named(customer="cus_a"), "lifted", reason="ann again", actor="anna")
    logged = entries(ledger)
    assert [entry.action for entry in logged] == ["consent.set", "restriction.set", "restriction.lift"]
    text = str([(entry.subject, entry.details) for entry in logged])
    assert not [word for word in ("cus_", "crm:", "shop:", "ann", "@", "Monday") if word in text]
    assert verify(ledger) == []


def test_everything_can_be_withdrawn_and_nothing_wholesale_granted(
    con: duckdb.DuckDBPyConnection, ledger: Ledger
) -> None:
    everything = replace(WITHDRAWN, purpose="all", channel="all")
    _, kept = set_consent(con, ledger, CONTRACTS, Named(record="crm:1"), everything, actor="anna")
    assert {d.purpose for d in kept} == {"analytics", "marketing", "profiling"}
    assert {d.channel for d in kept} == {"email", "phone", "post", "sms"}
    for wholesale in (replace(everything, status="granted"), replace(WITHDRAWN, channel="all", status="granted")):
        with pytest.raises(PrivacyError, match="for withdrawals"):
            set_consent(con, ledger, CONTRACTS, Named(record="crm:1"), wholesale, actor="anna")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (replace(WITHDRAWN, purpose="fun"), PurposeError, "not known"),
        (replace(WITHDRAWN, purpose="service"), PurposeError, "needs no answer"),
        (replace(WITHDRAWN, channel="pigeon"), PurposeError, "pigeon"),
        (replace(WITHDRAWN, legal_basis="because"), PrivacyError, "legal basis"),
        (replace(WITHDRAWN, at=utc_now() + timedelta(days=1)), PrivacyError, "not come yet"),
    ],
)
def test_a_wrong_answer_is_refused_and_nothing_kept(
    con: duckdb.DuckDBPyConnection, ledger: Ledger, answer: Answer, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        set_consent(con, ledger, CONTRACTS, Named(customer="cus_a"), answer, actor="anna")
    assert entries(ledger) == []


def test_nobody_is_guessed(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(AmbiguousPersonError) as raised:
        find_person(con, Named(email="shared@example.com"))
    assert [candidate.customer_id for candidate in raised.value.candidates] == ["cus_b", "cus_c"]
    for named in (Named(email="nobody@example.com"), Named(customer="cus_x"), Named(record="crm:9"), Named(email="x")):
        with pytest.raises(UnknownPersonError):
            find_person(con, named)
    with pytest.raises(PrivacyError, match="one way"):
        find_person(con, Named(customer="cus_a", email="ann@example.com"))
    with duckdb.connect() as empty, pytest.raises(PrivacyError, match="kindred run"):
        find_person(empty, Named(customer="cus_a"))


def test_a_restriction_is_written_once(con: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    def decide(status: str, purpose: str, named: Named | None = None) -> int:
        _, kept = decide_restriction(
            con, ledger, CONTRACTS, named or Named(customer="cus_a"), status, purpose, reason="r", actor="anna"  # type: ignore[arg-type]
        )  # fmt: skip
        return len(kept)

    assert decide("restricted", "marketing") == 2
    assert decide("restricted", "marketing") == 0
    assert decide("restricted", "all", Named(record="crm:1")) == 1
    assert decide("restricted", "profiling") == 1
    assert decide("lifted", "all") == 2
    assert decide("restricted", "marketing") == 2
    assert len(read_restrictions(ledger)) == 8
    with pytest.raises(PrivacyError, match="reason"):
        decide_restriction(con, ledger, CONTRACTS, Named(customer="cus_a"), "lifted", reason=" ", actor="anna")
    with pytest.raises(PurposeError):
        decide("restricted", "service")


def test_a_ledger_that_cannot_be_written_is_said(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(LedgerError):
        set_consent(
            con, Ledger("sqlite:////proc/none/l.sqlite"), CONTRACTS, Named(customer="cus_a"), WITHDRAWN, actor="anna"
        )


def test_what_holds_and_what_was_entered_is_shown(con: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    with pytest.raises(PrivacyError, match="kindred run"):
        show_consent(con, ledger, Named(customer="cus_a"))
    con.execute(
        """
        create table marts.fct_consent as select 'cus_a' as customer_id, 'marketing' as purpose, 'email' as channel,
            'granted' as status, 'consent' as legal_basis, timestamp '2026-01-01' as decided_at, 'marketing' as source,
            false as conflicting;
        create table marts.fct_restriction as select 'cus_a' as customer_id, 'profiling' as purpose
        """
    )
    set_consent(con, ledger, CONTRACTS, Named(customer="cus_a"), WITHDRAWN, actor="anna")
    found = show_consent(con, ledger, Named(email="ann@example.com"))
    assert [(answer.purpose, answer.status) for answer in found.standing] == [("marketing", "granted")]
    assert found.restricted == ("profiling",)
    assert [decision.status for decision in found.entered] == ["withdrawn", "withdrawn"]


def test_times_with_a_zone_become_utc() -> None:
    assert as_utc(datetime.fromisoformat("2026-01-05T10:00:00+02:00")) == datetime(2026, 1, 5, 8)
    assert as_utc(datetime(2026, 1, 5, 8)) == datetime(2026, 1, 5, 8)
