"""The raw suite follows from the contract: each rule of the standard becomes an expectation that can fail."""

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.suites import GatedTable, SuiteInput, raw_gate
from orchestration.config import PROJECT_ROOT
from orchestration.quality import GateError, GateResult, RunContext
from orchestration.quality.gate import run_gate
from orchestration.sources.contract import Column, Table, load_contracts

DAY = date(2026, 1, 5)


def _column(name: str, kind: str = "varchar", **given: Any) -> Column:
    fields: dict[str, Any] = {
        "name": name,
        "physical_name": name,
        "type": kind,
        "date_format": None,
        "description": "",
        "semantic": None,
        "classification": "internal",
        "required": False,
        "primary_key": False,
    }
    return Column(**(fields | given))


def _table(*columns: Column, quality: tuple[dict[str, Any], ...] = (), version: str | None = None) -> Table:
    key = _column("id", "bigint", primary_key=True, required=True)
    return Table("src", "things", "things*.csv", "", (), version, (key, *columns), quality)


def _gate(table: Table, **given: Any) -> GatedTable:
    return GatedTable("collection", "raw", table.raw_name, ("id",), "expectations.suites.raw", "load_date", **given)


def _run(path: Path, table: Table, rows: str, **given: Any) -> GateResult:
    """Gate a day with the given rows (`values` list of id and further columns), after a day with a bad row."""
    names = ", ".join(column.name for column in table.columns)
    kinds = ", ".join(f"{column.name} {column.type}" for column in table.columns)
    with duckdb.connect(str(path)) as con:
        con.execute(
            f"create schema raw; create table raw.src__things ({kinds}, _load_date date, _file varchar, _row bigint)"
        )
        if rows:
            con.execute(
                f"""
                insert into raw.src__things
                select *, date '2026-01-05', 'src/2026-01-05/things.csv', 1 + row_number() over ()
                from (values {rows}) as given ({names})
                """
            )
    return run_gate(path, _gate(table, **given), RunContext("run", DAY), table)


def _failed(result: GateResult) -> dict[str, list[int]]:
    """Rows of the file by the row check that they failed."""
    failed: dict[str, list[int]] = {}
    for row in result.failing_rows:
        failed.setdefault(row["check"], []).append(row["row"])
    return failed


@pytest.mark.parametrize(
    ("column", "rows", "check"),
    [
        (_column("c", required=True), "(1, 'x'), (2, null)", "expect_column_values_to_not_be_null:c"),
        (
            _column("c", options={"pattern": "^[a-z']+$"}),
            "(1, 'it''s'), (2, 'B')",
            "expect_column_values_to_match_regex:c",
        ),
        (
            _column("c", options={"pattern": r"^\d{2}%$"}),
            "(1, '10%'), (2, '10')",
            "expect_column_values_to_match_regex:c",
        ),
        (
            _column("c", options={"maxLength": 3}),
            "(1, 'äöü'), (2, 'äöüß')",
            "expect_column_value_lengths_to_be_between:c",
        ),
        (_column("c", options={"minLength": 2}), "(1, 'ab'), (2, 'a')", "expect_column_value_lengths_to_be_between:c"),
        (_column("c", "bigint", options={"minimum": 0}), "(1, 0), (2, -1)", "expect_column_values_to_be_between:c"),
        (
            _column("c", "decimal(12,2)", options={"maximum": 9}),
            "(1, 9.00), (2, 9.01)",
            "expect_column_values_to_be_between:c",
        ),
        (
            _column("c", "date", options={"minimum": "1900-01-01"}),
            "(1, date '1900-01-01'), (2, date '1899-12-31')",
            "expect_column_values_to_be_between:c",
        ),
        (_column("c", "double", options={"exclusiveMinimum": 0}), "(1, 0.1), (2, 0)", "exclusiveMinimum:c"),
        (_column("c", valid_values=("a", "b'c")), "(1, 'b''c'), (2, 'c')", "expect_column_values_to_be_in_set:c"),
        (_column("c", "bigint", valid_values=("1", "2")), "(1, 2), (2, 3)", "expect_column_values_to_be_in_set:c"),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" in value else "",
)
def test_a_rule_of_a_column_holds_back_the_row_that_breaks_it(
    tmp_path: Path, column: Column, rows: str, check: str
) -> None:
    result = _run(tmp_path / "w.duckdb", _table(column), rows)

    assert _failed(result) == {check: [3]}
    assert result.passed
    assert result.quarantined == 1
    assert result.failing_rows[0]["file"] == "src/2026-01-05/things.csv"


def test_optional_values_may_be_missing(tmp_path: Path) -> None:
    column = _column("c", options={"pattern": "^x$", "maxLength": 3}, valid_values=("x",))
    result = _run(tmp_path / "w.duckdb", _table(column), "(1, null), (2, 'x')")
    assert (result.quarantined, result.failed_checks) == (0, ())


def test_of_rows_with_one_key_the_first_stands(tmp_path: Path) -> None:
    result = _run(tmp_path / "w.duckdb", _table(_column("c")), "(1, 'a'), (2, 'b'), (1, 'c'), (1, 'd')")
    assert _failed(result) == {"unique_key": [4, 5]}


def test_versions_of_one_record_are_no_repeats(tmp_path: Path) -> None:
    table = _table(_column("changed", "timestamp"), version="changed")
    rows = "(1, timestamp '2026-01-01'), (1, timestamp '2026-01-02'), (1, timestamp '2026-01-02')"
    assert _failed(_run(tmp_path / "w.duckdb", table, rows)) == {"unique_key": [4]}


def test_a_version_from_the_future_is_held_back(tmp_path: Path) -> None:
    table = _table(_column("changed", "timestamp"), version="changed")
    rows = "(1, timestamp '2026-01-06 23:59:59'), (2, timestamp '2026-01-07')"
    assert _failed(_run(tmp_path / "w.duckdb", table, rows)) == {"not_from_the_future:changed": [3]}


@pytest.mark.parametrize(
    ("given", "passed"), [({"owed_rows": True}, False), ({"expects_rows": True}, True), ({}, True)]
)
def test_a_day_without_rows_blocks_a_snapshot_and_warns_for_a_delta(
    tmp_path: Path, given: dict[str, bool], passed: bool
) -> None:
    result = _run(tmp_path / "w.duckdb", _table(), "", **given)
    assert result.passed is passed
    assert ("row_count" in {check.expectation for check in result.failed_checks}) is bool(given)


QUALITY_RULES = [
    ({"metric": "rowCount", "mustBeGreaterThan": 2}, "(1), (2)"),
    ({"metric": "rowCount", "mustBe": 3}, "(1), (2)"),
    ({"metric": "rowCount", "mustBeBetween": [3, 5]}, "(1), (2)"),
    ({"metric": "nullValues", "arguments": {"properties": ["c"]}, "mustBe": 0}, "(1, 'x'), (2, null)"),
    (
        {"metric": "nullValues", "arguments": {"properties": ["c"]}, "unit": "percent", "mustBeLessThan": 50},
        "(1, 'x'), (2, null)",
    ),
    ({"metric": "duplicateValues", "arguments": {"properties": ["c"]}, "mustBeLessThan": 1}, "(1, 'x'), (2, 'x')"),
    ({"type": "sql", "query": "select count(*) from ${object} where id > 1", "mustBeLessOrEqualTo": 0}, "(1), (2)"),
]


@pytest.mark.parametrize(("rule", "rows"), QUALITY_RULES)
def test_a_quality_rule_of_the_contract_blocks_the_table(tmp_path: Path, rule: dict[str, Any], rows: str) -> None:
    columns = [_column("c")] if "'" in rows or "null" in rows else []
    result = _run(tmp_path / "w.duckdb", _table(*columns, quality=({"type": "library", **rule},)), rows)
    assert [check.expectation.split(":")[0] for check in result.failed_checks] == ["quality[0]"]
    assert result.failed_checks[0].evaluated
    assert not result.passed


def test_a_quality_rule_that_only_warns_lets_the_table_pass(tmp_path: Path) -> None:
    rule = {"type": "library", "metric": "rowCount", "mustBeGreaterThan": 9, "severity": "warning"}
    result = _run(tmp_path / "w.duckdb", _table(quality=(rule,)), "(1)")
    assert result.passed
    assert len(result.failed_checks) == 1


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"metric": "beauty", "mustBe": 1}, "quality.0.: metric 'beauty' is not understood"),
        ({"metric": "rowCount"}, "quality.0. has no bound"),
        ({"metric": "nullValues", "arguments": {"properties": ["nope"]}, "mustBe": 0}, "names nope"),
    ],
)
def test_a_quality_rule_that_cannot_be_understood_is_refused(rule: dict[str, Any], message: str) -> None:
    table = _table(quality=({"type": "library", **rule},))
    with pytest.raises(GateError, match=message):
        _gate(table).build(SuiteInput(DAY, table))


def test_rules_for_other_tools_are_passed_over() -> None:
    table = _table(quality=({"type": "custom", "engine": "soda"}, {"type": "text", "description": "nice"}))
    assert len(_gate(table).build(SuiteInput(DAY, table))) == len(_gate(_table()).build(SuiteInput(DAY, _table())))


def test_the_raw_gate_needs_its_contract() -> None:
    with pytest.raises(GateError, match="contract"):
        _gate(_table()).build(SuiteInput(DAY))


def test_every_contract_of_the_project_makes_a_suite() -> None:
    for contract in load_contracts(PROJECT_ROOT / "data" / "contracts"):
        for table in contract.tables:
            suite = raw_gate(contract, table).build(SuiteInput(DAY, table, raw_gate(contract, table)))
            assert "unique_key" in {expectation.meta["check"] for expectation in suite}
