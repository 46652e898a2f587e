"""Small helpers for SQL text that every module of this package shares.

What belongs here: quoting of names and literals, reading a table's columns. What does not:
any statement that knows about linkage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def quoted(name: str) -> str:
    """A column name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A string as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def columns_of(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The columns of a table in order, with their DuckDB types."""
    rows = con.execute(f"describe {table}").fetchall()
    return {str(row[0]): str(row[1]) for row in rows}


def scalar_int(con: duckdb.DuckDBPyConnection, query: str) -> int:
    """The single whole number that a query returns (0 for null)."""
    value = con.execute(query).fetchall()[0][0]
    return int(value or 0)
