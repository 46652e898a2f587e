"""What each landed day of a raw table looked like: its columns, their types as delivered, how many values they held; and
from that the history of each source's schema.

Belongs here: the tables `quality.profiles` and `quality.schema_history`, which hold counts and names, never values. Does
not belong here: judging a day (see `anomalies`), and reading files (see `orchestration.sources.load`).
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from orchestration.quality.history import now

if TYPE_CHECKING:
    import duckdb

    from orchestration.sources.errors import RefusedColumn

Change = Literal["first_seen", "added", "vanished", "retyped", "renamed?"]
# As for columns that the contract misses: see orchestration.sources.drift.
_RENAME_LIKENESS = 0.6


@dataclass(frozen=True)
class ColumnProfile:
    """One column of one table on one landed day."""

    name: str
    """Name in `raw`; as delivered for a column that is left out."""
    observed_type: str | None
    """The type as delivered, else the one that the values have; None when the files did not have the column."""
    in_contract: bool
    landed: bool
    rows: int
    """Rows that were read, those in quarantine included."""
    filled: int
    """Rows with a value that is not blank."""


def keep_profile(
    con: "duckdb.DuckDBPyConnection", table: str, load_date: date, columns: Sequence[ColumnProfile]
) -> None:
    """Keep a day's profile in place of its earlier one, and bring the schema's history up to date.

    Args:
        table: `raw.<source>__<table>`.
        columns: none when the day brought no file.
    """
    con.execute("delete from quality.profiles where table_name = ? and load_date = ?", [table, load_date])
    if columns:
        one = "(?, ?, ?, ?, ?, ?, ?, ?)"
        con.execute(
            f"insert into quality.profiles values {', '.join([one] * len(columns))}",
            [
                value
                for c in columns
                for value in (table, load_date, c.name, c.observed_type, c.in_contract, c.landed, c.rows, c.filled)
            ],
        )
    _revise_history(con, table, load_date)


def day_profile(con: "duckdb.DuckDBPyConnection", table: str, load_date: date) -> list[ColumnProfile]:
    """A day's columns, by name."""
    rows = con.execute(
        """
        select column_name, observed_type, in_contract, landed, rows_read, filled
        from quality.profiles where table_name = ? and load_date = ? order by column_name
        """,
        [table, load_date],
    ).fetchall()
    return [ColumnProfile(*row) for row in rows]


def seen_columns(con: "duckdb.DuckDBPyConnection", table: str, until: date) -> frozenset[str]:
    """The columns that any day up to and with `until` was delivered with."""
    rows = con.execute(
        """
        select distinct column_name from quality.profiles
        where table_name = ? and load_date <= ? and observed_type is not null
        """,
        [table, until],
    ).fetchall()
    return frozenset(row[0] for row in rows)


def _revise_history(con: "duckdb.DuckDBPyConnection", table: str, load_date: date) -> None:
    """Write the changes from the day before to this one, and from this one to the day after.

    So the history is that of the days in their order, in whatever order they were loaded.
    """
    days = [
        row[0]
        for row in con.execute(
            "select distinct load_date from quality.profiles where table_name = ? order by 1", [table]
        ).fetchall()
    ]
    following = min((day for day in days if day > load_date), default=None)
    for day in (load_date, following):
        if day is not None:
            before = max((other for other in days if other < day), default=None)
            changes = _changes(con, table, before, day) if day in days else []
            _keep_changes(con, table, day, changes)


def _changes(
    con: "duckdb.DuckDBPyConnection", table: str, before: date | None, day: date
) -> list[tuple[str, str | None, Change]]:
    present = _types(con, table, day)
    if before is None:
        return [(name, kind, "first_seen") for name, kind in present.items()]
    earlier = _types(con, table, before)
    gone = [name for name in earlier if name not in present]
    changes: list[tuple[str, str | None, Change]] = [(name, earlier[name], "vanished") for name in gone]
    for name, kind in present.items():
        if name not in earlier:
            renamed = difflib.get_close_matches(name, gone, n=1, cutoff=_RENAME_LIKENESS)
            changes.append((name, kind, "renamed?" if renamed else "added"))
        elif earlier[name] != kind:
            changes.append((name, kind, "retyped"))
    return sorted(changes)


def _types(con: "duckdb.DuckDBPyConnection", table: str, day: date) -> dict[str, str]:
    return {c.name: c.observed_type for c in day_profile(con, table, day) if c.observed_type is not None}


def _keep_changes(
    con: "duckdb.DuckDBPyConnection", table: str, day: date, changes: list[tuple[str, str | None, Change]]
) -> None:
    kept = con.execute(
        """
        select column_name, observed_type, change from quality.schema_history
        where table_name = ? and load_date = ? and not starts_with(change, 'refused') order by all
        """,
        [table, day],
    ).fetchall()
    if kept == changes:
        return
    con.execute(
        "delete from quality.schema_history where table_name = ? and load_date = ? and not starts_with(change, 'refused')",
        [table, day],
    )
    for name, kind, change in changes:
        con.execute(
            "insert into quality.schema_history values (?, ?, ?, ?, ?, ?)", [table, day, name, kind, change, now()]
        )


def keep_refusal(
    con: "duckdb.DuckDBPyConnection", table: str, load_date: date, refused: "Sequence[RefusedColumn]"
) -> None:
    """Add to the history of a table's schema what a delivery was refused for.

    It stays when a mended delivery of the day is loaded; the same refusal of a day is kept once.
    """
    for column in refused:
        con.execute(
            """
            insert into quality.schema_history
            select $table, $day::date, $name, $type, $why, $at::timestamp
            where not exists (
                select 1 from quality.schema_history
                where table_name = $table and load_date = $day and column_name = $name and change = $why
            )
            """,
            {
                "table": table, "day": load_date, "name": column.name, "type": column.observed_type,
                "why": column.why, "at": now(),
            },
        )  # fmt: skip
