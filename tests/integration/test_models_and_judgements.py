"""A model promoted and a pair judged between two days: what the next run makes of it, and what a rebuild does."""

import json
from dataclasses import dataclass

import duckdb
import pytest

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
    say(company, "run", "--from", DAYS[0], "--to", DAYS[1])
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
    return Office(company, first, second, before, (one, other))


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
    rest = {event[3] for event in events if {event[1], event[2]} != {one, other}}
    assert rest <= {"model"}


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
    say(office.company, "review", "--undo", "1", "--reason", "a mistake")
    say(office.company, "run")
    after = office.customers()
    assert after[one] == after[other]
