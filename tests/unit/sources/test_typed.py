"""Typing landed text: the fast way and the sure way read the same, and each row keeps its place in a large file."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.sources.contract import Column, load_contract
from orchestration.sources.load import load_day
from orchestration.sources.typed import typed

DAY = date(2026, 1, 5)
ISO = "%Y-%m-%dT%H:%M:%S%z"
# What a cast takes and the form does not, or the other way round.
ODD = (
    "infinity", "-infinity", "epoch", "2024-1-5T1:2:3Z", " 2024-01-05T01:02:03Z", "2024-01-05T01:02:03Z ",
    "2024-01-05 01:02:03Z", "2024/01/05T01:02:03Z", "2024-01-05T01:02:03z", "2024-01-05T01:02:03+01:00",
    "2024-01-05T01:02:03.5Z", "2024-01-05", "2024-01-05T01:02Z", "2024-01-05T01:02:60Z", "2024-01-05T24:00:00Z",
    "2024-01-05T01:02:03 UTC", "12024-01-05T01:02:03Z", "2024-01-05T01:02:03", "2024-01-05 (BC)T01:02:03Z",
    "٢٠٢٤-01-05T01:02:03Z", "2024-02-30T01:02:03Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "", "  ",
)  # fmt: skip


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def column(form: str) -> Column:
    return Column("moment", "moment", "timestamp", form, "", None, "internal", required=False, primary_key=False)


@pytest.mark.parametrize("form", [ISO, ISO.replace("T", " "), ISO.removesuffix("%z"), "%Y-%m-%d %H:%M:%S"])
def test_a_cast_reads_what_the_form_reads_and_nothing_else(con: duckdb.DuckDBPyConnection, form: str) -> None:
    con.execute(
        """
        create table given as
        select printf('%04d-%02d-%02dT10:11:12Z', y, m, d) as moment
        from range(0, 10000, 7) as years (y), (values (1, 1), (2, 29), (12, 31)) as days (m, d)
        union all
        select printf('%04d-%02d-%02dT10:11:12Z', y, m, d)
        from (values (1900), (2000), (2023), (2024)) as years (y), range(0, 20) as months (m), range(0, 40) as days (d)
        union all
        select printf('2024-06-30T%02d:%02d:%02dZ', h, m, s)
        from range(0, 30) as hours (h), range(0, 70) as minutes (m), range(0, 70, 3) as seconds (s)
        """
    )
    con.execute("insert into given select replace(moment, 'T', ' ') from given")
    con.execute("insert into given select left(moment, -1) from given")
    con.execute("insert into given select unnest(?)", [list(ODD)])
    text = (
        "case when suffix(upper(moment), 'Z') then left(moment, -1) || '+00:00' else moment end"
        if "%z" in form
        else "moment"
    )
    differing = con.execute(
        f"""
        select moment from given
        where {typed(column(form), "VARCHAR")} is distinct from try_strptime({text}, '{form}')::timestamp
        """
    ).fetchall()
    assert differing == []
    assert con.execute(f"select count({typed(column(form), 'VARCHAR')}) from given").fetchall()[0][0] > 25_000


CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: people
version: 1.0.0
status: active
team: {{members: [{{username: owner@example.org, role: owner}}]}}
servers: [{{server: landing, type: local, path: "people/{{date}}", format: {format}}}]
schema:
  - name: members
    physicalName: members*.{format}
    properties:
      - {{name: place, physicalName: rowid, logicalType: string, classification: internal, primaryKey: true, primaryKeyPosition: 1}}
      - {{name: note, physicalName: note, logicalType: string, classification: internal}}
"""


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_each_row_of_a_large_file_keeps_its_place(con: duckdb.DuckDBPyConnection, tmp_path: Path, format: str) -> None:
    """More rows than DuckDB reads in one piece, by several threads; a column's name is that of DuckDB's row number."""
    con.execute("set threads = 4")
    path = tmp_path / "people.odcs.yaml"
    path.write_text(CONTRACT.format(format=format), encoding="utf-8")
    contract = load_contract(path)
    file = tmp_path / "landing" / "people" / str(DAY) / f"members.{format}"
    file.parent.mkdir(parents=True)
    first = 2 if format == "csv" else 1
    options = "(header)" if format == "csv" else "(format json)"
    con.execute(
        f"copy (select (i + {first})::varchar as rowid, repeat('x', 60) as note from range(300000) as r (i)) "
        f"to '{file}' {options}"
    )
    lines = file.read_bytes().split(b"\n")
    lines.insert(200_000, b"a,broken,line" if format == "csv" else b"[]")
    file.write_bytes(b"\n".join(lines))

    result = load_day(con, contract, contract.tables[0], DAY, tmp_path / "landing", "test")

    assert (result.rows_landed, result.rows_loaded, result.rows_quarantined) == (300_001, 300_000, 1)
    # Before the broken line a row stands where its value says, behind it one line later.
    misplaced = con.execute(
        "select count(*) from raw.people__members where _row <> place::bigint + (place::bigint > 200000)::int"
    ).fetchall()[0][0]
    assert misplaced == 0
    assert con.execute("select row_number from quarantine.people__members").fetchall() == [(200_001,)]
