"""The dbt project on small raw tables made from the contracts: it builds, holds its tests, and bends to the sources."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.identity import accept_ids, assign_ids
from orchestration.ledger.store import Ledger
from orchestration.privacy.carrying import prepare_carrying
from orchestration.privacy.ledger_tables import write_consent_events, write_restrictions
from orchestration.project import Project
from orchestration.sources.contract import load_contracts
from orchestration.standardise import standardise_records
from orchestration.transform import TransformError

CONTRACTS = PROJECT_ROOT / "data" / "contracts"
REAL_INPUT_CONTRACTS = PROJECT_ROOT / "benchmarks" / "real_input" / "contracts"
STAGES = (("staging", "integration"), ("cleansing",), ("marts",), ("analysis",))
SOURCES = ("crm", "shop", "web", "support", "loyalty", "marketing", "social")

Row = Mapping[str, Any]

ROWS: dict[str, list[Row]] = {
    "crm__contacts": [
        {"contact_id": "1", "first_name": "Anna", "last_name": "Müller", "email": "anna@mail.test.com",
         "birth_date": "1980-02-03", "street": "Hauptstr. 5", "city": "Bonn", "postal_code": "53111", "country": "DE",
         "loyalty_no": "L1", "created_at": "2024-01-01 08:00:00", "updated_at": "2025-01-01 08:00:00"},
        {"contact_id": "2", "first_name": "John", "last_name": "O'Neil", "email": "john@post.org",
         "created_at": "2024-01-01 08:00:00", "updated_at": "2025-01-01 08:00:00"},
    ],
    "shop__customers": [
        {"customer_id": "9", "given_name": "Anni", "surname": "Müller", "email": "anna@mail.test.com",
         "street_address": "Gartenweg 1", "town": "Köln", "zip": "50667", "country_code": "DE",
         "registered_at": "2024-05-01 10:00:00", "updated_at": "2025-06-01 10:00:00"},
    ],
    "shop__orders": [
        {"order_id": "A", "customer_id": "9", "ordered_at": "2025-12-01 10:00:00", "updated_at": "2025-12-01 10:00:00",
         "status": "placed", "channel": "web", "currency": "EUR", "amount": 10, "items": 1},
        {"order_id": "A", "customer_id": "9", "ordered_at": "2025-12-01 10:00:00", "updated_at": "2025-12-03 10:00:00",
         "status": "shipped", "channel": "web", "currency": "EUR", "amount": 10, "items": 1},
        {"order_id": "B", "customer_id": "9", "ordered_at": "2025-12-05 10:00:00", "updated_at": "2025-12-05 10:00:00",
         "status": "returned", "channel": "store", "currency": "GBP", "amount": 20, "items": 2},
        {"order_id": "C", "customer_id": "never came", "ordered_at": "2025-12-06 10:00:00",
         "updated_at": "2025-12-06 10:00:00", "status": "placed", "channel": "web", "currency": "EUR", "amount": 30,
         "items": 1},
    ],
    "web__events": [
        {"message_id": "m1", "type": "page", "anonymous_id": "x", "event_at": "2026-01-04 10:00:00"},
        {"message_id": "m2", "type": "identify", "anonymous_id": "x", "user_id": "9", "event_at": "2026-01-04 10:05:00",
         "trait_email": "anna@mail.test.com"},
        {"message_id": "m3", "type": "page", "anonymous_id": "stranger", "event_at": "2026-01-04 10:00:00"},
    ],
    "support__tickets": [
        {"ticket_id": "T1", "created_at": "2026-01-02 09:00:00", "updated_at": "2026-01-03 09:00:00", "channel": "email",
         "status": "solved", "satisfaction": 4, "requester_id": "r1", "requester_name": "Müller, Anna",
         "requester_email": "anna@mail.test.com"},
    ],
    "loyalty__members": [
        {"member_no": "L1", "first_name": "Anna", "surname": "Müller", "dob": "1980-02-03", "country": "Germany",
         "email_address": "anna@mail.test.com", "join_date": "2023-01-01"},
    ],
    "marketing__subscribers": [
        {"subscriber_id": "s1", "email": "anna@mail.test.com", "full_name": "Anna Müller", "purpose": "marketing",
         "channel": "email", "status": "granted", "changed_at": "2025-01-01 00:00:00", "legal_basis": "consent"},
        {"subscriber_id": "s2", "email": "anna@mail.test.com", "full_name": "Anna Müller", "purpose": "marketing",
         "channel": "email", "status": "withdrawn", "changed_at": "2024-06-01 00:00:00", "legal_basis": "consent"},
        {"subscriber_id": "s1", "email": "anna@mail.test.com", "full_name": "Anna Müller", "purpose": "marketing",
         "channel": "sms", "status": "granted", "changed_at": "2025-01-01 00:00:00", "legal_basis": "consent"},
    ],
    "social__profiles": [
        {"profile_id": "p1", "network": "x", "handle": "AnnaM", "display_name": "Anna M", "location_country": "Germany",
         "linked_at": "2025-01-01 00:00:00", "updated_at": "2025-01-01 00:00:00"},
    ],
    "historical__people": [
        {"rec_id": "Q1-1", "full_name": "thomas clifford", "first_name": "thomas", "surname": "clifford",
         "dob": "1630-08-01", "birth_place": "devon", "postcode_fake": "tq13 8df", "gender": "male"},
        {"rec_id": "Q1-2", "full_name": "tom clifford", "dob": "1630", "birth_place": "devon"},
    ],
    "cdnow__purchases": [
        {"line_no": 1, "customer_id": "00001", "purchased_on": "1997-01-01", "quantity": 1, "amount": 11.77},
        {"line_no": 2, "customer_id": "00001", "purchased_on": "1997-03-01", "quantity": 2, "amount": 29.33},
    ],
}  # fmt: skip


@dataclass
class House:
    """A data folder with some sources, built by stages."""

    project: Project

    def load(self, rows: Mapping[str, Sequence[Row]], load_date: str = "2026-01-05") -> None:
        """Make the raw tables as the loader does, from the contracts' columns, and fill them."""
        with self.project.warehouse() as con:
            con.execute("create schema if not exists raw")
            for _, table in self.project.tables:
                columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
                con.execute(
                    f"create or replace table raw.{table.raw_name} ({columns}, _load_date date, _file text, _row bigint)"
                )
                for line, row in enumerate(rows.get(table.raw_name, []), start=2):
                    values = {**row, "_load_date": load_date, "_file": "file", "_row": line}
                    names = ", ".join(f'"{name}"' for name in values)
                    marks = ", ".join("?" for _ in values)
                    con.execute(f"insert into raw.{table.raw_name} ({names}) values ({marks})", [*values.values()])

    def dbt(self, *arguments: str) -> list[dict[str, Any]]:
        """One invocation; its events."""
        self.project.transform.prepare()
        return list(self.project.transform.run(arguments[0], arguments[1:]))

    def read_ledger(self) -> None:
        """What the ledger holds, nothing, as the Python assets write it."""
        with self.project.warehouse() as con:
            ledger = Ledger.of(self.project.settings)
            write_consent_events(con, ledger)
            write_restrictions(con, ledger, [])
            prepare_carrying(con)

    def build(self) -> list[dict[str, Any]]:
        """Every stage in the order of a run; people are told apart by their e-mail address here."""
        events: list[dict[str, Any]] = []
        self.read_ledger()
        for stage in STAGES:
            if stage == ("cleansing",):
                self.resolve()
            events += self.dbt("build", "--select", *stage, "--exclude-resource-type", "unit_test")
        return events

    def resolve(self) -> None:
        """What the Python assets leave behind, with one customer per e-mail address."""
        with self.project.warehouse() as con:
            con.execute("create schema if not exists cleansing; create schema if not exists resolution")
            standardise_records(con, "integration.int_customer_records", "cleansing.standardised_records")
            con.execute(
                """
                create or replace table resolution.clusters as
                select record_id, coalesce(email, record_id) as cluster_id, 1.0::double as match_probability
                from integration.int_customer_records
                """
            )
            newest = con.execute("select max(load_date)::date from integration.int_customer_records").fetchall()[0][0]
            day = newest or date(2026, 1, 5)
            assign_ids(con, "resolution.clusters", "integration.int_customer_records", day)
            accept_ids(con, day, None)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self.project.warehouse() as con:
            return con.execute(query).fetchall()

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of marts and analysis, in a fixed order."""
        tables = self.rows(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_schema in ('marts', 'analysis') order by all"
        )
        return {name: self.rows(f"select * from {name} order by all") for (name,) in tables}


def _house(data: Path, contracts: Path) -> House:
    return House(Project(Settings(data=data, contracts=contracts)))


def _some_contracts(folder: Path, *sources: str) -> Path:
    folder.mkdir(parents=True)
    for source in sources:
        (folder / f"{source}.odcs.yaml").write_bytes((CONTRACTS / f"{source}.odcs.yaml").read_bytes())
    return folder


def _warnings(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [event["info"]["msg"] for event in events if event["info"]["level"] in ("warn", "error")]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The seven sources of the sample, built once."""
    built = _house(tmp_path_factory.mktemp("house"), CONTRACTS)
    built.load(ROWS)
    events = built.build()
    assert not _warnings(events)
    yield built


def test_models_land_in_the_schemas_of_their_stages(house: House) -> None:
    schemas = {row[0] for row in house.rows("select distinct table_schema from information_schema.tables")}

    assert schemas == {
        "raw", "staging", "integration", "cleansing", "resolution", "marts", "analysis", "seeds"
    }  # fmt: skip


def test_stages_neither_overlap_nor_leave_anything_out(house: House) -> None:
    transform = house.project.transform
    manifest = transform.manifest
    known = set(manifest["nodes"]) | set(manifest["unit_tests"])
    listed: list[str] = []
    for stage in STAGES:
        arguments = ["--select", *stage, "--output", "json", "--output-keys", "unique_id"]
        lines = [event["info"]["msg"] for event in transform.run("list", arguments)]
        listed += [json.loads(line)["unique_id"] for line in lines if line.startswith("{")]
    listed = [key for key in listed if not key.startswith(("exposure.", "source."))]

    assert sorted(listed) == sorted(known)


def test_logic_holds_in_unit_tests(house: House) -> None:
    events = house.dbt("test", "--select", "test_type:unit")

    assert not _warnings(events)
    passed = {
        event["data"]["node_info"]["node_name"]
        for event in events
        if event["info"]["name"] == "LogTestResult" and event["data"]["status"] == "pass"
    }
    assert passed == {test["name"] for test in house.project.transform.manifest["unit_tests"].values()}
    assert "the_strictest_answer_holds_after_a_merge" in passed


def test_golden_values_name_record_and_rule(house: House) -> None:
    values = house.rows(
        """
        select field, value, record_id, rule from cleansing.golden_field_values
        where customer_id = (select customer_id from marts.customer_xref where record_id = 'crm:1')
            and field in ('given_name', 'street', 'city', 'birth_date') order by field
        """
    )

    assert values == [
        ("birth_date", "1980-02-03", "crm:1", "only_value"),
        ("city", "Köln", "shop:9", "most_recent"),
        ("given_name", "Anna", "crm:1", "most_trusted_source"),
        ("street", "Gartenweg 1", "shop:9", "most_recent"),
    ]


def test_customer_360_tells_orders_and_consent(house: House) -> None:
    (row,) = house.rows(
        """
        select orders, revenue, cancelled_or_returned_orders, tickets, email_marketing_allowed, sms_marketing_allowed,
            page_views
        from marts.customer_360
        where customer_id = (select customer_id from marts.customer_xref where record_id = 'crm:1')
        """
    )

    # The withdrawal of s2 stands although s1 granted later; the page seen before signing in is known to be hers.
    assert (row[0], float(row[1]), *row[2:]) == (2, 10.0, 1, 1, False, True, 1)


def test_orders_of_customers_who_have_not_come_are_kept(house: House) -> None:
    assert house.rows("select order_id from marts.fct_orders where customer_id is null") == [("shop:C",)]


def test_days_run_to_the_latest_load_without_a_gap(house: House) -> None:
    (row,) = house.rows(
        "select max(kpi_date)::varchar, count(*) = max(kpi_date) - min(kpi_date) + 1 from analysis.daily_kpis"
    )

    assert row == ("2026-01-05", True)


def test_a_second_build_gives_the_same_marts(house: House) -> None:
    before = house.marts()

    house.build()

    assert house.marts() == before
    assert before["marts.dim_customer"]


def test_a_record_without_a_customer_fails_by_its_id(house: House) -> None:
    test = "assert_every_record_has_one_customer"
    with house.project.warehouse() as con:
        con.execute("delete from resolution.memberships where record_id = 'crm:2'")

    with pytest.raises(TransformError, match=test):
        house.dbt("test", "--select", test)

    compiled = next(house.project.transform.target.rglob(f"compiled/**/{test}.sql"))
    assert house.rows(compiled.read_text()) == [("crm:2", 0, "not exactly one customer")]
    house.resolve()


def test_columns_are_those_that_are_described(house: House) -> None:
    nodes = house.project.transform.manifest["nodes"].values()
    described = {
        (node["schema"], node["alias"]): list(node["columns"]) for node in nodes if node["resource_type"] == "model"
    }
    found: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in house.rows(
        "select table_schema, table_name, column_name from information_schema.columns order by 1, 2, 3"
    ):
        found.setdefault((schema, table), []).append(column)

    assert {key: sorted(columns) for key, columns in described.items()} == {key: found[key] for key in described}


def test_one_source_is_enough_for_every_mart(house: House, tmp_path: Path) -> None:
    alone = _house(tmp_path / "data", _some_contracts(tmp_path / "contracts", "crm"))
    alone.load(ROWS)

    assert not _warnings(alone.build())
    marts = alone.marts()
    assert set(marts) == set(house.marts())
    assert len(marts["marts.dim_customer"]) == 2
    assert marts["marts.fct_orders"] == []
    assert marts["marts.fct_consent"] == []
    assert marts["analysis.customer_rfm"] == []


def test_sources_of_ones_own_need_none_of_the_sample(tmp_path: Path) -> None:
    if not REAL_INPUT_CONTRACTS.exists():
        pytest.skip("the contracts of the real-input benchmark are not here")
    own = _house(tmp_path / "data", REAL_INPUT_CONTRACTS)
    own.load(ROWS)

    assert not _warnings(own.build())
    people = own.rows(
        "select given_name, family_name, birth_date::varchar from integration.int_customer_records "
        "where source = 'historical' order by record_id"
    )
    assert people == [("thomas", "clifford", "1630-08-01"), ("tom", "clifford", None)]
    (buyer,) = own.rows("select frequency, reporting_currency from analysis.customer_rfm, analysis.daily_kpis limit 1")
    assert buyer == (2, "EUR")


def test_the_contracts_know_every_source_of_this_test() -> None:
    assert {contract.source for contract in load_contracts(CONTRACTS)} == set(SOURCES)


def test_the_warehouse_can_be_opened_after_dbt(house: House) -> None:
    # dbt-duckdb keeps its connection and with it the lock; the runner lets go of it.
    with duckdb.connect(str(house.project.settings.warehouse)) as con:
        assert con.execute("select 1").fetchall() == [(1,)]
