"""Working off quarantine from the command line, on a whole company: the row reaches the marts, and stays through re-runs."""

import csv
from pathlib import Path

import duckdb

from tests.integration.conftest import Company, RunCompany

DAY = "2026-01-05"
TABLE = "crm__contacts"
REGEX = "expect_column_values_to_match_regex:"
# Tables whose row key is the customer record's id in its source.
KEYS = ("crm__contacts", "shop__customers", "loyalty__members", "social__profiles")


def _query(company: Company, statement: str, *parameters: object) -> list[tuple]:
    with duckdb.connect(str(company.warehouse), read_only=True) as con:
        return con.execute(statement, list(parameters)).fetchall()


def test_reconciliation_accounts_for_every_row_of_every_table_and_day(company: RunCompany) -> None:
    said = company.kindred("reconcile")
    assert said.code == 0, said.output
    rows = _query(company, "select table_name, landed, loaded, quarantined, difference from quality.reconciliation")
    tables = _query(company, "select distinct table_name from quality.loads")
    assert {row[0] for row in rows} == {name for (name,) in tables}
    assert len(rows) == 2 * len(tables)
    assert all(difference == 0 for *_, difference in rows)
    assert any(quarantined > 0 for *_, quarantined, _ in rows)
    versions = _query(
        company,
        """
        select expectation, bool_and(success), max(element_count)
        from quality.check_results
        where expectation like 'reconciliation:versions:%'
        group by 1
        """,
    )
    assert {row[0].rpartition(":")[2] for row in versions} >= {TABLE, "shop__customers", "loyalty__members"}
    assert all(success and count > 0 for _, success, count in versions)
    superseded = _query(
        company, "select sum(superseded) from quality.reconciliation where table_name = 'raw.loyalty__members'"
    )
    assert superseded[0][0] > 0


def _held(company: Company) -> list[tuple[str, str, int, str, list[str]]]:
    """Rows of the first day in quarantine: table, file, row, key, checks."""
    return [
        (table, *row)
        for table in KEYS
        for row in _query(
            company,
            f"""
            select file, row_number, any_value(row_key), list(check_name order by check_name)
            from quarantine.{table}
            where load_date = ?
            group by all
            order by row_number
            """,
            DAY,
        )
    ]


def test_a_corrected_and_a_discarded_row_go_through_the_whole_pipeline(company: RunCompany, tmp_path: Path) -> None:
    mended = company.copy(tmp_path / "data")
    table, file, row, key, [check] = next(
        entry for entry in _held(mended) if len(entry[4]) == 1 and entry[4][0].startswith(REGEX)
    )
    source, column = table.partition("__")[0], check.removeprefix(REGEX)
    other = next(entry for entry in _held(mended) if entry[:3] != (table, file, row))
    listed = mended.kindred("quarantine", "list", "--source", source, "--date", DAY)
    assert listed.code == 0, listed.output
    assert check in listed.output
    shown = mended.kindred("quarantine", "show", table, "--date", DAY, "--check", check)
    assert str(row) in shown.output

    fixes = tmp_path / "fixes.csv"
    with fixes.open("w", newline="") as target:
        csv.writer(target).writerows([["file", "row_number", column], [file, row, "mended.person@example.com"]])
    replayed = mended.kindred("quarantine", "replay", table, "--corrections", str(fixes))
    assert replayed.code == 0, replayed.output
    assert "1 released" in replayed.output
    discarded = mended.kindred(
        "quarantine", "discard", other[0], "--file", other[1], "--row", str(other[2]), "--reason", "made up by a tester"
    )
    assert discarded.code == 0, discarded.output

    ran = mended.kindred("run", "--date", DAY)
    assert ran.code == 0, ran.output
    assert _query(mended, f"select {column} from raw.{table} where _file = ? and _row = ?", file, row) == [
        ("mended.person@example.com",)
    ]
    assert _query(mended, "select count(*) from marts.customer_xref where record_id = ?", f"{source}:{key}") == [(1,)]
    reconciled = _query(
        mended,
        "select discarded, difference from quality.reconciliation where table_name = ? and load_date = ?",
        f"raw.{other[0]}",
        DAY,
    )
    assert reconciled == [(1, 0)]
    assert mended.kindred("reconcile", "--date", DAY).code == 0

    log = mended.kindred("audit", "show")
    assert "quarantine.replay" in log.output
    assert "made up by a tester" in log.output
    assert "mended.person" not in log.output
    assert mended.kindred("audit", "verify").code == 0


def test_what_cannot_be_done_is_said_without_a_stack_trace(company: RunCompany) -> None:
    for arguments in (
        ("replay", "nothing__here"),
        ("show", "nothing__here"),
        ("discard", TABLE, "--reason", "no choice"),
        ("replay", TABLE, "--file", "crm/none.csv", "--row", "3"),
    ):
        said = company.kindred("quarantine", *arguments)
        assert said.code == 1
        assert said.output.startswith("kindred: ")
        assert "Traceback" not in said.output
