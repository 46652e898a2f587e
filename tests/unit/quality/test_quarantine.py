"""The tables of quarantine and history: one shape, made once, emptied by day."""

from datetime import date

import duckdb
import pytest

from orchestration.quality import CheckResult, GateError, RunContext
from orchestration.quality.history import append_results, ensure_tables
from orchestration.quality.quarantine import (
    QUARANTINE_COLUMNS,
    clear_day,
    count_rows,
    ensure_quarantine_table,
    shown_entries,
)

DAY = date(2026, 1, 5)


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    ensure_tables(connection)
    return connection


def test_a_quarantine_table_has_the_one_shape_and_is_made_once(con: duckdb.DuckDBPyConnection) -> None:
    assert ensure_quarantine_table(con, "crm__contacts") == 'quarantine."crm__contacts"'
    con.execute("insert into quarantine.crm__contacts by name select 'x' as check_name")
    ensure_quarantine_table(con, "crm__contacts")
    columns = con.execute("describe quarantine.crm__contacts").fetchall()
    assert [(row[0], row[1].lower()) for row in columns] == list(QUARANTINE_COLUMNS.items())
    assert con.execute("select count(*) from quarantine.crm__contacts").fetchall() == [(1,)]


def test_a_name_that_is_no_table_name_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(GateError, match="without its schema"):
        ensure_quarantine_table(con, "raw.crm__contacts")


def test_a_day_is_cleared_without_touching_others(con: duckdb.DuckDBPyConnection) -> None:
    ensure_quarantine_table(con, "t")
    for day in (5, 5, 6):
        con.execute("insert into quarantine.t by name select ?::date as load_date", [date(2026, 1, day)])
    clear_day(con, "t", DAY)
    assert con.execute("select load_date from quarantine.t").fetchall() == [(date(2026, 1, 6),)]


def test_rows_are_counted_once_and_shown_across_checks(con: duckdb.DuckDBPyConnection) -> None:
    ensure_quarantine_table(con, "t")
    con.execute(
        "insert into quarantine.t by name select ?::date as load_date, check_name, 'f' as file, i as row_number"
        " from range(30) as t(i), (values ('a'), ('b')) as checks (check_name)",
        [DAY],
    )
    assert count_rows(con, "t", DAY) == count_rows(con, "t", None) == 30
    assert count_rows(con, "t", date(2026, 1, 6)) == 0
    shown = shown_entries(con, "t", DAY, 20)
    assert {row["check"] for row in shown} == {"a", "b"}
    assert [row["row"] for row in shown if row["check"] == "a"] == [0, 1, 2, 3, 4]


def test_results_are_appended_with_their_run(con: duckdb.DuckDBPyConnection) -> None:
    check = CheckResult("collection", "raw.t", "e", None, "row", "block", True, True, "0", "x", 7, 0, "it's 100% :fine")
    append_results(con, RunContext("r1", DAY), [check, check])
    append_results(con, RunContext("r2", DAY), [check])
    append_results(con, RunContext("r3", DAY), [])
    rows = con.execute("select run_id, message, element_count from quality.check_results order by run_id").fetchall()
    assert rows == [("r1", "it's 100% :fine", 7)] * 2 + [("r2", "it's 100% :fine", 7)]


@pytest.mark.parametrize(
    ("level", "severity", "success", "evaluated", "blocks"),
    [
        ("table", "block", False, True, True),
        ("table", "warn", False, True, False),
        ("table", "block", True, True, False),
        ("row", "block", False, True, False),
        ("row", "block", False, False, True),
        ("row", "warn", False, False, False),
    ],
)
def test_what_blocks(level: str, severity: str, success: bool, evaluated: bool, blocks: bool) -> None:
    check = CheckResult("s", "t", "e", None, level, severity, success, evaluated, None, None, 1, None, "m")  # type: ignore[arg-type]
    assert check.blocks is blocks
