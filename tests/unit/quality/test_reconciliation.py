"""Every version of a customer record is the latest one, a record of integration, or superseded."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.quality import CheckResult, RunContext
from orchestration.quality.quarantine import ensure_quarantine_table
from orchestration.quality.reconciliation import read_reconciliation, reconcile_versions
from orchestration.sources.contract import load_contract

DAYS = (date(2026, 1, 5), date(2026, 1, 6))
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: people
version: 1.0.0
status: active
team: {{name: t, members: [{{username: owner@example.com, role: owner}}]}}
servers: [{{server: landing, type: local, path: "people/{{date}}", format: csv}}]
customProperties: [{{property: delivery, value: {delivery}}}]
schema:
  - name: members
    physicalName: members.*
    customProperties:
      - {{property: feeds, value: [customer_records]}}
      {version}
    properties:
      - name: id
        logicalType: string
        primaryKey: true
        classification: pseudonymous
        customProperties: [{{property: semantic, value: source_record_id}}]
      - {{name: changed_on, logicalType: date, classification: internal}}
"""


class Warehouse:
    def __init__(self, folder: Path, delivery: str) -> None:
        version = "- {property: versionColumn, value: changed_on}" if delivery == "delta" else ""
        path = folder / "people.odcs.yaml"
        path.write_text(CONTRACT.format(delivery=delivery, version=version))
        self.accounts = reconcile_versions([load_contract(path)])
        self.con = duckdb.connect()
        self.con.execute("create schema raw; create schema integration")
        self.con.execute(
            "create table raw.people__members (id varchar, changed_on date, _load_date date, _file varchar, _row bigint)"
        )
        self.con.execute(
            "create table integration.int_customer_records (record_id varchar, source varchar, source_record_id varchar)"
        )
        ensure_quarantine_table(self.con, "int_customer_records")

    def loaded(self, day: int, *rows: tuple[str | None, str | None]) -> None:
        for number, (key, at) in enumerate(rows, start=2):
            self.con.execute("insert into raw.people__members values (?, ?, ?, 'f', ?)", [key, at, DAYS[day], number])

    def records(self, *keys: str) -> None:
        for key in keys:
            self.con.execute(
                "insert into integration.int_customer_records values ('people:' || $k, 'people', $k)", {"k": key}
            )

    def check(self) -> CheckResult:
        self.con.execute("create schema if not exists quality")
        [result] = self.accounts(self.con, RunContext("r", DAYS[-1]))
        return result


@pytest.fixture
def delta(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path, "delta")
    made.loaded(0, ("a", "2026-01-03"), ("a", "2026-01-02"), ("b", "2026-01-09"), (None, None))
    made.loaded(1, ("b", "2026-01-04"), ("c", None))
    return made


def test_the_latest_version_counts_by_the_source_s_own_time(delta: Warehouse) -> None:
    delta.records("a", "b", "c")
    assert delta.check().success
    delta.con.execute(
        "insert into quality.reconciliation select 'raw.people__members', day, 0, 0, 0, 0, 0, null, 0"
        " from (values (date '2026-01-05'), (date '2026-01-06'), (date '2026-01-07')) as days (day)"
    )
    check = delta.check()
    assert check.message == "raw.people__members: 5 versions = 3 latest records + 2 superseded"
    assert [account.superseded for account in read_reconciliation(delta.con)] == [1, 1, 0]


def test_a_latest_version_that_is_no_record_blocks_and_names_its_day(delta: Warehouse) -> None:
    delta.records("a", "b")
    check = delta.check()
    assert check.blocks
    assert "1 latest versions that are no customer record (1 of 2026-01-06)" in check.message


def test_a_record_in_quarantine_is_accounted_for(delta: Warehouse) -> None:
    delta.records("a", "b")
    delta.con.execute("insert into quarantine.int_customer_records by name select 'people:c' as row_key")
    assert delta.check().success


def test_a_record_without_a_version_blocks(delta: Warehouse) -> None:
    delta.records("a", "b", "c", "ghost")
    check = delta.check()
    assert check.blocks
    assert "1 customer records of people have no version" in check.message


def test_of_a_snapshot_only_the_latest_counts(tmp_path: Path) -> None:
    snapshot = Warehouse(tmp_path, "snapshot")
    snapshot.loaded(0, ("a", None), ("gone", None))
    snapshot.loaded(1, ("a", None), ("b", None))
    snapshot.records("a", "b")
    check = snapshot.check()
    assert check.success
    assert check.message == "raw.people__members: 4 versions = 2 latest records + 2 superseded"
