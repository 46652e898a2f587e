"""A model promoted and a pair judged between two days: what the next run makes of it, and what a rebuild does."""

import json
from dataclasses import dataclass

import duckdb
import pytest

from orchestration.ledger.judgements import Decision, decide, read_judgements
from orchestration.ledger.store import Ledger
from tests.integration.conftest import Company

DAYS = ("2026-01-05", "2026-01-06", "2026-01-07")
STATE = ("resolution.memberships", "resolution.customer_ids", "resolution.id_events", "marts.customer_id_redirects")


@dataclass(frozen=True)
class Office:
    """A company after two days, a promotion, a judgement and a third day."""

    company: Company
    first_model: str
    second_model: str
    before: dict[str, str]
    """The customer of each record after two days."""
    pair: tuple[str, str]
    """Judged different; one customer until then."""
    judgement: int

    def query(self, statement: str) -> list[tuple]:
        return query(self.company, statement)

    def state(self) -> dict[str, list[tuple]]:
        return {table: self.query(f"select * from {table} order by all") for table in STATE}

    def customers(self) -> dict[str, str]:
        return dict(self.query("select record_id, customer_id from resolution.memberships"))


def query(company: Company, statement: str) -> list[tuple]:
    with duckdb.connect(str(company.warehouse), read_only=True) as con:
        return con.execute(statement).fetchall()


def say(company: Company, *arguments: str) -> str:
    said = company.kindred(*arguments)
    assert said.code == 0, said.output
    return said.output


def pointed(company: Company) -> str:
    return (company.data / "models" / "linkage" / "in_use").read_text().strip()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    company = Company(tmp_path_factory.mktemp("office") / "data")
    say(company, "sample", "--customers", "120", "--days", "3", "--seed", "5", "--out", str(company.data / "landing"))
    say(company, "run", "--date", DAYS[0])
    # A steward who takes sure pairs apart makes the next model timid: it lets go of pairs that nobody judged.
    sure = query(
        company,
        """
        select edges.record_id_l, edges.record_id_r from resolution.edges as edges
        inner join resolution.memberships as l on edges.record_id_l = l.record_id
        inner join resolution.memberships as r on edges.record_id_r = r.record_id
        where l.customer_id = r.customer_id and edges.match_weight > 2.5
        qualify
            row_number() over (partition by record_id_l order by match_weight, record_id_r) = 1
            and row_number() over (partition by record_id_r order by match_weight, record_id_l) = 1
        order by edges.match_weight, edges.record_id_l limit 14
        """,
    )
    ledger = Ledger(f"sqlite:///{company.data / 'ledger' / 'ledger.sqlite'}")
    for left, right in sure:
        decide(ledger, Decision(left, right, "cannot_link"), actor="steward")
    say(company, "run", "--date", DAYS[1])
    first = pointed(company)
    before = dict(query(company, "select record_id, customer_id from resolution.memberships"))
    say(company, "model", "train")
    (second,) = {path.name for path in (company.data / "models" / "linkage").iterdir() if path.is_dir()} - {first}
    say(company, "model", "compare")
    say(company, "model", "promote", second, "--reason", "newer records")
    # Two records of one customer of two, so that the judgement parts exactly these.
    ((one, other),) = query(
        company,
        """
        select min(record_id), max(record_id) from resolution.memberships
        group by customer_id having count(*) = 2 order by 1 limit 1
        """,
    )
    say(company, "review", "--decide", one, other, "different", "--reason", "they told us so")
    say(company, "run", "--date", DAYS[2])
    return Office(company, first, second, before, (one, other), max(e.judgement_id for e in read_judgements(ledger)))


def test_everybody_is_scored_anew_with_the_promoted_model(office: Office) -> None:
    assert pointed(office.company) == office.second_model
    assert office.query("select distinct model_version from resolution.edges") == [(office.second_model,)]
    records, members, distinct = office.query(
        """
        select
            (select count(*) from integration.int_customer_records),
            (select count(*) from resolution.memberships),
            (select count(distinct record_id) from resolution.memberships)
        """
    )[0]
    assert records == members == distinct


def test_what_a_model_or_a_judgement_changed_says_so(office: Office) -> None:
    after = office.customers()
    moved = {(old, after[record]) for record, old in office.before.items() if after[record] != old}
    events = office.query(
        "select kind, customer_id, other_customer_id, cause, evidence::varchar from resolution.id_events "
        f"where run_date = '{DAYS[2]}' and kind in ('merged', 'split')"
    )
    assert moved == {(customer, other) for _, customer, other, _, _ in events}
    one, other = (after[record] for record in office.pair)
    assert one != other
    judged = [json.dumps(event) for event in events if {event[1], event[2]} == {one, other}]
    assert len(judged) == 1
    assert '"judgement"' in judged[0]
    rest = [event for event in events if {event[1], event[2]} != {one, other}]
    assert "model" in {event[3] for event in rest}
    assert {event[3] for event in rest} <= {"model", "record"}
    minted = dict(
        office.query(
            f"select customer_id, cause from resolution.id_events where run_date = '{DAYS[2]}' and kind = 'minted'"
        )
    )
    for kind, _, to, cause, evidence in rest:
        assert json.loads(evidence)["judgement_id"] is None
        assert kind == "merged" or minted.get(to, cause) == cause
    retired = set(office.query("select customer_id, cause from marts.customer_id_redirects"))
    assert {(event[1], event[3]) for event in rest if event[0] == "merged"} <= retired


def test_days_after_a_promotion_and_a_judgement_are_skipped_once_they_ran(office: Office) -> None:
    said = say(office.company, "run", "--date", DAYS[2])
    assert f"{DAYS[2]}: unchanged since run" in said


def test_a_rebuilt_warehouse_has_the_same_ids_events_and_redirects(office: Office) -> None:
    lived = office.state()
    for file in office.company.warehouse.parent.glob("kindred.duckdb*"):
        file.unlink()
    say(office.company, "run", "--all")
    assert office.state() == lived
    assert pointed(office.company) == office.second_model


def test_a_judgement_taken_back_joins_them_again(office: Office) -> None:
    one, other = office.pair
    say(office.company, "review", "--undo", str(office.judgement), "--reason", "a mistake")
    say(office.company, "run")
    after = office.customers()
    assert after[one] == after[other]
