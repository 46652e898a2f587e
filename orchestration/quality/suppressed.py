"""How many rows of erased people were held back from each landed file: counts, nothing else.

Belongs here: the table `quality.suppressed_rows`. Does not belong here: deciding who is held back
(`orchestration.privacy.suppression`).
"""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def ensure_suppressed_table(con: "duckdb.DuckDBPyConnection") -> None:
    """Create `quality.suppressed_rows` where it is missing."""
    con.execute("create schema if not exists quality")
    con.execute(
        """
        create table if not exists quality.suppressed_rows (
            table_name varchar not null,
            load_date date not null,
            file varchar not null,
            suppressed bigint not null
        )
        """
    )


def note_suppressed(con: "duckdb.DuckDBPyConnection", table: str, load_date: date, rows: Mapping[str, int]) -> None:
    """Write a day's counts anew, and count the rows as landed: they came, though they are in no file any more.

    Args:
        table: without its schema.
        rows: by file, for the files that the day's load has just recorded.
    """
    name = f"raw.{table}"
    con.execute("delete from quality.suppressed_rows where table_name = ? and load_date = ?", [name, load_date])
    for file, count in sorted(rows.items()):
        con.execute("insert into quality.suppressed_rows values (?, ?, ?, ?)", [name, load_date, file, count])
        con.execute(
            "update quality.loads set rows_landed = rows_landed + ? where table_name = ? and load_date = ? and file = ?",
            [count, name, load_date, file],
        )


def count_suppressed(con: "duckdb.DuckDBPyConnection", table: str, load_date: date) -> int:
    """Rows of a table's day that were held back.

    Args:
        table: without its schema.
    """
    ensure_suppressed_table(con)
    return con.execute(
        "select coalesce(sum(suppressed), 0)::bigint from quality.suppressed_rows where table_name = ? and load_date = ?",
        [f"raw.{table}", load_date],
    ).fetchall()[0][0]
