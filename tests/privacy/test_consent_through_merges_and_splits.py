"""Consent through merges and splits, on the very SQL that dbt builds: it is compiled once and executed in DuckDB.

Records are merged and split at random for several runs. Each run does what the pipeline does: carry refusals, rebuild
customer_xref, fct_consent, fct_restriction and customer_permissions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.ledger.store import Ledger
from orchestration.privacy.carrying import carry_refusals, prepare_carrying
from orchestration.privacy.consent import Answer, set_consent
from orchestration.privacy.ledger_tables import write_consent_events, write_restrictions
from orchestration.privacy.people import Named
from orchestration.privacy.purposes import dbt_purposes
from orchestration.privacy.restriction import decide_restriction
from orchestration.project import Project
from orchestration.sources.contract import load_contracts

CONTRACTS = PROJECT_ROOT / "data" / "contracts"
MODELS = ("customer_xref", "fct_consent", "fct_restriction", "customer_permissions")
RECORDS = ("a:1", "b:2", "c:3", "d:4")
ANSWERS = (("marketing", "email"), ("profiling", "email"), ("profiling", "sms"))
BEGIN = datetime(2025, 1, 1)
FIRST_RUN = date(2026, 1, 5)
# Derandomised: the same examples on every machine.
STEADY = settings(max_examples=25, deadline=None, derandomize=True)

Partition = tuple[int, ...]
"""For each record, the number of its customer."""


@dataclass(frozen=True)
class Event:
    """One answer of one record."""

    record: int
    answer: int
    status: str
    hour: int


@dataclass
class Warehouse:
    """The tables around the models, and the models' own SQL."""

    con: duckdb.DuckDBPyConnection
    sql: Mapping[str, str]
    runs: int = 0
    withdrawn: set[tuple[str, str, str]] = field(default_factory=set)
    permitted: set[tuple[str, str, str]] = field(default_factory=set)

    def clear(self, events: Sequence[Event], order: Sequence[int] | None = None) -> None:
        """Begin anew with some answers, arriving in some order."""
        self.runs = 0
        self.con.execute("drop schema if exists marts cascade; drop schema if exists resolution cascade")
        self.con.execute("create schema marts; create schema resolution")
        prepare_carrying(self.con)
        self.con.execute("delete from integration.int_consent_events; delete from integration.ledger_restrictions")
        places = order if order is not None else range(len(events))
        for arrival, place in enumerate(places):
            self.add(events[place], f"e{place}", FIRST_RUN + timedelta(days=arrival))

    def add(self, event: Event, name: str, arrived: date = FIRST_RUN) -> None:
        purpose, channel = ANSWERS[event.answer]
        self.con.execute(
            "insert into integration.int_consent_events values (?, ?, ?, ?, ?, 'consent', ?, 'm', 'marketing', ?)",
            [name, RECORDS[event.record], purpose, channel, event.status, BEGIN + timedelta(hours=event.hour), arrived],
        )

    def run(self, partition: Partition) -> None:
        """What a run does behind the resolution."""
        self.con.execute(
            "create or replace table resolution.memberships (record_id varchar, customer_id varchar, match_probability double)"
        )
        self.con.executemany(
            "insert into resolution.memberships values (?, ?, 1)",
            [[record, f"cus_{number}"] for record, number in zip(RECORDS, partition, strict=True)],
        )
        carry_refusals(self.con, "resolution.memberships", FIRST_RUN + timedelta(days=self.runs))
        self.runs += 1
        self.con.execute(
            "create or replace table marts.dim_customer as select distinct customer_id from resolution.memberships"
        )
        for model in MODELS:
            self.con.execute(f"create or replace table marts.{model} as {self.sql[model]}")
        self.withdrawn = self._by_record(
            "select xref.record_id, consent.purpose, consent.channel from marts.fct_consent as consent "
            "join marts.customer_xref as xref using (customer_id) where consent.status = 'withdrawn'"
        )
        self.permitted = self._by_record(
            "select record_id, purpose, channel from marts.customer_permissions join marts.customer_xref using (customer_id)"
        )

    def _by_record(self, query: str) -> set[tuple[str, str, str]]:
        return set(self.con.execute(query).fetchall())

    def consent(self) -> list[tuple]:
        """Every answer that holds."""
        return self.con.execute(
            "select customer_id, purpose, channel, status, decided_at from marts.fct_consent order by all"
        ).fetchall()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The models compiled from the project as it is."""
    project = Project(Settings(data=tmp_path_factory.mktemp("compiled"), contracts=CONTRACTS))
    project.settings.warehouse.parent.mkdir(parents=True)
    for _ in project.transform.run("compile", ["--select", *MODELS]):
        pass
    sql = {model: next(project.transform.target.rglob(f"compiled/**/{model}.sql")).read_text() for model in MODELS}
    con = duckdb.connect()
    con.execute("attach ':memory:' as kindred; use kindred; set threads = 1")
    con.execute(
        """
        create schema integration; create schema cleansing;
        create table integration.int_customer_records as
            select unnest($records) as record_id, 'a' as source, 'x' as source_record_id, date '2026-01-05' as load_date,
                date '2026-01-05' as first_load_date;
        create table integration.int_consent_events (
            consent_event_id varchar, record_id varchar, purpose varchar, channel varchar, status varchar,
            legal_basis varchar, occurred_at timestamp, method varchar, source varchar, load_date date
        );
        create table integration.ledger_restrictions (
            record_id varchar, purpose varchar, status varchar, occurred_at timestamp
        )
        """.replace("$records", str(list(RECORDS)))
    )
    yield Warehouse(con, sql)
    con.close()


events = st.builds(
    Event,
    record=st.integers(0, len(RECORDS) - 1),
    answer=st.integers(0, len(ANSWERS) - 1),
    status=st.sampled_from(["granted", "withdrawn"]),
    hour=st.integers(0, 5),
)
partitions = st.tuples(*(st.integers(0, 2) for _ in RECORDS))


@STEADY
@given(answers=st.lists(events, max_size=8), steps=st.lists(partitions, min_size=2, max_size=5))
def test_no_sequence_of_merges_and_splits_widens_permission(
    warehouse: Warehouse, answers: list[Event], steps: list[Partition]
) -> None:
    warehouse.clear(answers)
    warehouse.run(steps[0])
    for step in steps[1:]:
        withdrawn, permitted = warehouse.withdrawn, warehouse.permitted
        warehouse.run(step)
        # Whoever was refused stays refused, in every channel; who may be left out of statistics, stays out.
        assert withdrawn <= warehouse.withdrawn
        assert not warehouse.permitted & {entry for entry in withdrawn if entry[1] == "marketing"}
        assert {e for e in warehouse.permitted if e[1] == "analytics"} <= {e for e in permitted if e[1] == "analytics"}
        refused = {record for record, purpose, _ in withdrawn if purpose == "profiling"}
        assert not {record for record, purpose, _ in warehouse.permitted if purpose == "profiling"} & refused


@STEADY
@given(answers=st.lists(events, max_size=8), partition=partitions)
def test_the_strictest_of_the_records_last_answers_holds(
    warehouse: Warehouse, answers: list[Event], partition: Partition
) -> None:
    warehouse.clear(answers)
    warehouse.run(partition)
    last: dict[tuple[int, int], tuple[int, bool]] = {}
    for event in answers:
        said = (event.hour, event.status == "withdrawn")
        last[event.record, event.answer] = max(said, last.get((event.record, event.answer), said))
    expected: dict[tuple[str, str, str], str] = {}
    for (record, answer), (_, refuses) in sorted(last.items()):
        key = (f"cus_{partition[record]}", *ANSWERS[answer])
        expected[key] = "withdrawn" if refuses or expected.get(key) == "withdrawn" else "granted"
    assert {row[:3]: row[3] for row in warehouse.consent()} == expected


@STEADY
@given(answers=st.lists(events, min_size=2, max_size=7), partition=partitions, data=st.data())
def test_the_order_of_arrival_decides_nothing(
    warehouse: Warehouse, answers: list[Event], partition: Partition, data: st.DataObject
) -> None:
    warehouse.clear(answers)
    warehouse.run(partition)
    before = warehouse.consent()
    warehouse.clear(answers, data.draw(st.permutations(range(len(answers)))))
    warehouse.run(partition)
    assert warehouse.consent() == before


@STEADY
@given(answers=st.lists(events, max_size=6), steps=st.lists(partitions, min_size=2, max_size=4))
def test_a_grant_that_is_given_later_lifts_what_was_carried(
    warehouse: Warehouse, answers: list[Event], steps: list[Partition]
) -> None:
    warehouse.clear(answers)
    for step in steps:
        warehouse.run(step)
    for record in range(len(RECORDS)):
        for answer in range(len(ANSWERS)):
            warehouse.add(Event(record, answer, "granted", 24 * 500), f"new{record}{answer}")
    warehouse.run(steps[-1])
    assert not warehouse.withdrawn
    assert len(warehouse.permitted) == len(RECORDS) * 3


@settings(STEADY, max_examples=12)
@given(
    restricted=st.sets(st.integers(0, len(RECORDS) - 1), min_size=1),
    steps=st.lists(partitions, min_size=2, max_size=4),
)
def test_a_restriction_follows_through_merges_and_splits(
    warehouse: Warehouse, restricted: set[int], steps: list[Partition]
) -> None:
    grants = [Event(record, answer, "granted", 1) for record in range(len(RECORDS)) for answer in range(len(ANSWERS))]
    warehouse.clear(grants)
    for record in restricted:
        warehouse.con.execute(
            "insert into integration.ledger_restrictions values (?, 'marketing', 'restricted', ?)",
            [RECORDS[record], BEGIN],
        )
    bound: set[str] = {RECORDS[record] for record in restricted}
    for step in steps:
        warehouse.run(step)
        customers = {step[RECORDS.index(record)] for record in bound}
        bound |= {record for record, number in zip(RECORDS, step, strict=True) if number in customers}
        free = {record for record, purpose, _ in warehouse.permitted if purpose == "marketing"}
        assert free == set(RECORDS) - bound
        assert {record for record, purpose, _ in warehouse.permitted if purpose == "profiling"} == set(RECORDS)


def _enter(warehouse: Warehouse, ledger: Ledger) -> None:
    """What the ledger holds, as the pipeline brings it to the answers."""
    write_consent_events(warehouse.con, ledger)
    write_restrictions(warehouse.con, ledger, dbt_purposes(load_contracts(CONTRACTS)))
    warehouse.con.execute("insert into integration.int_consent_events select * from integration.ledger_consent_events")


@pytest.fixture
def standing(warehouse: Warehouse) -> Warehouse:
    """Everybody is one customer, and the first record had granted."""
    warehouse.clear([Event(0, 0, "granted", 1)])
    warehouse.con.execute(
        "create or replace table cleansing.standardised_records as select 'a:1' as record_id, 'x@y.org' as email"
    )
    warehouse.run((0, 0, 0, 0))
    return warehouse


def test_a_withdrawal_given_as_a_customer_binds_every_part_of_it(standing: Warehouse, tmp_path: Path) -> None:
    ledger = Ledger.of(Settings(data=tmp_path))
    answer = Answer("marketing", "email", "withdrawn", "consent", "phone")
    person, kept = set_consent(
        standing.con, ledger, load_contracts(CONTRACTS), Named(email="X@y.org"), answer, actor="anna"
    )
    assert person.record_ids == RECORDS
    assert len(kept) == len(RECORDS)
    _enter(standing, ledger)
    standing.run((0, 1, 2, 3))
    assert {record for record, *_ in standing.withdrawn} == set(RECORDS)
    assert not [entry for entry in standing.permitted if entry[1] == "marketing"]
    # It was the answer of each, so nothing had to be carried.
    assert standing.con.execute("select count(*) from resolution.carried_refusals").fetchall() == [(0,)]


def test_a_restriction_of_all_purposes_and_its_release(standing: Warehouse, tmp_path: Path) -> None:
    ledger, contracts = Ledger.of(Settings(data=tmp_path)), load_contracts(CONTRACTS)
    assert {entry[1] for entry in standing.permitted} == {"marketing", "analytics"}
    decide_restriction(
        standing.con, ledger, contracts, Named(customer="cus_0"), "restricted", reason="asked", actor="anna"
    )
    _enter(standing, ledger)
    standing.run((0, 0, 0, 0))
    assert not standing.permitted
    again = decide_restriction(
        standing.con, ledger, contracts, Named(record="a:1"), "restricted", "marketing", reason="twice", actor="anna"
    )
    assert again[1] == []
    decide_restriction(
        standing.con, ledger, contracts, Named(customer="cus_0"), "lifted", "marketing", reason="settled", actor="anna"
    )
    standing.con.execute("delete from integration.int_consent_events where source = 'ledger'")
    _enter(standing, ledger)
    standing.run((0, 0, 0, 0))
    assert {entry[1] for entry in standing.permitted} == {"marketing"}
