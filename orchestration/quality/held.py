"""Looking into quarantine: what is held back, by table, day and check, and what was discarded or decided on.

Belongs here: choosing rows and reading them. Does not belong here: writing entries (see `quarantine`) and changing
anything (see `replay`).
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from orchestration.quality.decided import Place, ensure_decided_tables
from orchestration.quality.errors import QuarantineError
from orchestration.quality.quarantine import quarantine_relation

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Selection:
    """Which rows of a table's quarantine are meant; what is None does not narrow."""

    load_date: date | None = None
    check: str | None = None
    file: str | None = None
    row: int | None = None

    @property
    def is_everything(self) -> bool:
        """Nothing narrows it."""
        return self == Selection()


@dataclass(frozen=True)
class HeldRow:
    """One row in quarantine, with every check that it failed."""

    load_date: date
    place: Place
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Count:
    """Rows in quarantine of one table, day and check; `check` is None in the line of discarded rows."""

    table: str
    load_date: date
    check: str | None
    rows: int


def list_held(
    con: "duckdb.DuckDBPyConnection", source: str | None = None, load_date: date | None = None, check: str | None = None
) -> list[Count]:
    """How many rows each table, day and check holds back, then how many rows were discarded, in order.

    A row that failed two checks counts for both.
    """
    ensure_decided_tables(con)
    tables = con.execute(
        "select table_name from duckdb_tables() where schema_name = 'quarantine' and database_name = current_database()"
    ).fetchall()
    counts: list[Count] = []
    for (name,) in sorted(tables):
        if source is not None and not name.startswith(f"{source}__"):
            continue
        rows = con.execute(
            f"""
            select load_date, check_name, count(distinct (file, row_number, row_key))
            from {quarantine_relation(name)}
            where coalesce(load_date = $day, $day is null) and coalesce(check_name = $check, $check is null)
            group by all
            order by all
            """,
            {"day": load_date, "check": check},
        ).fetchall()
        counts += [Count(name, *row) for row in rows]
    discarded = con.execute(
        """
        select substr(table_name, 5), load_date, null, count(*)
        from quality.discarded_rows
        where coalesce(load_date = $day, $day is null)
            and ($source is null or starts_with(table_name, 'raw.' || $source || '__'))
            and ($check is null or list_contains(string_split(check_names, ', '), $check))
        group by all
        order by all
        """,
        {"day": load_date, "check": check, "source": source},
    ).fetchall()
    return counts + [Count(*row) for row in discarded]


def show_held(con: "duckdb.DuckDBPyConnection", table: str, selection: Selection, limit: int) -> list[dict[str, Any]]:
    """Entries of a table's quarantine: load_date, file, row, check, column, value, reason. Personal data.

    Raises QuarantineError when the table has no quarantine.
    """
    name = table.removeprefix("raw.").removeprefix("quarantine.")
    _require_quarantine(con, name)
    where, parameters = _where(selection)
    names = ("load_date", "file", "row", "check", "column", "value", "key", "reason")
    rows = con.execute(
        f"""
        select load_date, file, row_number, check_name, column_name, value, row_key, reason
        from {quarantine_relation(name)}
        where {where}
        order by load_date, file, row_number, row_key, check_name
        limit {int(limit)}
        """,
        parameters,
    ).fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def held_rows(con: "duckdb.DuckDBPyConnection", table: str, selection: Selection) -> list[HeldRow]:
    """The selected rows of a table's quarantine, each with all the checks that it failed, in order of place."""
    where, parameters = _where(selection)
    rows = con.execute(
        f"""
        select load_date, file, row_number, list(distinct check_name order by check_name)
        from {quarantine_relation(table)}
        where (load_date, file, row_number) in (
            select (load_date, file, row_number) from {quarantine_relation(table)} where {where}
        )
        group by all
        order by all
        """,
        parameters,
    ).fetchall()
    return [HeldRow(day, Place(file, row), tuple(checks)) for day, file, row, checks in rows]


def discarded_rows(con: "duckdb.DuckDBPyConnection", table: str, selection: Selection) -> list[HeldRow]:
    """The selected rows of a table that stay out by somebody's decision, in order of place."""
    rows = con.execute(
        """
        select load_date, file, row_number, check_names
        from quality.discarded_rows
        where table_name = $table
            and coalesce(load_date = $day, $day is null)
            and coalesce(file = $file, $file is null)
            and coalesce(row_number = $row, $row is null)
        order by all
        """,
        {"table": f"raw.{table}", "day": selection.load_date, "file": selection.file, "row": selection.row},
    ).fetchall()
    return [HeldRow(day, Place(file, row), tuple(checks.split(", "))) for day, file, row, checks in rows]


def decided_rows(con: "duckdb.DuckDBPyConnection", table: str, selection: Selection) -> list[HeldRow]:
    """Rows on which somebody decided before, where the last load found them."""
    rows = con.execute(
        """
        select distinct load_date, file, row_number
        from quality.row_decisions
        where table_name = $table and found and coalesce(load_date = $day, $day is null)
        order by all
        """,
        {"table": f"raw.{table}", "day": selection.load_date},
    ).fetchall()
    return [HeldRow(day, Place(file, row), ()) for day, file, row in rows]


def _where(selection: Selection) -> tuple[str, dict[str, Any]]:
    given = {
        "load_date": selection.load_date,
        "check_name": selection.check,
        "file": selection.file,
        "row_number": selection.row,
    }
    known = {name: value for name, value in given.items() if value is not None}
    return " and ".join(f"{name} = ${name}" for name in known) or "true", known


def _require_quarantine(con: "duckdb.DuckDBPyConnection", name: str) -> None:
    tables = [
        row[0]
        for row in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'quarantine' and database_name = current_database() order by 1"
        ).fetchall()
    ]
    if name not in tables:
        raise QuarantineError(f"{name!r} has no quarantine; tables that have one: {', '.join(tables) or 'none yet'}")
