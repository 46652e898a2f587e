"""Looking through a built file for what must not be in it, before anybody can open it.

Belongs here: the search. Does not belong here: what may be shown (the privacy words), or k-anonymity.

A privacy word guards a column, not what a source writes into it: an e-mail address in a field of channels, a page's
address with a name in it, a customer's id in a status. So every text that is shown as it is, is looked through: for
what looks like an e-mail address, a web address or a telephone number, and for the very values that stand as tokens or
not at all elsewhere. Distinct values only, so that the cost follows their number and not the rows.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import duckdb

from orchestration.publishing.columns import quote
from orchestration.publishing.errors import LeakError

if TYPE_CHECKING:
    from orchestration.publishing.database import PublishedTable

# RE2. A telephone number in international form; national ones look like any other number.
_LOOKS = {
    "an e-mail address": r"[^\s@]+@[^\s@]+\.[^\s@]+",
    "a web address": r"(?i)\b(https?://|www\.)\S",
    "a telephone number": r"\+[1-9][0-9 ()./-]{7,}[0-9]",
}
_SHOWING = ("clear", "prefix", "common")
_TELLING = frozenset({"email", "phone", "national_id", "customer_id", "household_id", "record_id"})
_TEXT = "VARCHAR"


def require_no_leak(connection: duckdb.DuckDBPyConnection, database: str, tables: "Sequence[PublishedTable]") -> None:
    """Look through every text column of the file that shows values as they are.

    Args:
        connection: to the warehouse, with the built file attached as `database`.

    Raises:
        LeakError: the message names table, column, what was found and how often, never the value.
    """
    shown = [
        (table, column.name)
        for table in tables
        for column in table.columns
        if column.sql is not None and (column.word or "").split(":")[0] in _SHOWING
    ]
    texts = _text_columns(connection, database)
    personal = _personal_values(tables)
    for table, column in shown:
        schema, name = table.name.split(".")
        if (schema, name, column) not in texts:
            continue
        values = f'select distinct {quote(column)} as value from {database}."{schema}"."{name}" where {quote(column)} is not null'
        for what, pattern in _LOOKS.items():
            _refuse(connection, f"from ({values}) where regexp_matches(value, '{pattern}')", table.name, column, what)
        if personal:
            _refuse(
                connection,
                f"from ({values}) where value in ({personal})",
                table.name,
                column,
                "a value that stands as a token, or not at all, elsewhere",
            )


def _refuse(connection: duckdb.DuckDBPyConnection, found: str, table: str, column: str, what: str) -> None:
    (count,) = connection.execute(f"select count(*) {found}").fetchall()[0]
    if count:
        raise LeakError(
            f"Column {column} of {table} shows {what} ({count} distinct values), so the file was not published; the one "
            "published before is still in place. Give the column token or drop as its privacy word in the model's yml, "
            "or clean it in the model."
        )


def _text_columns(connection: duckdb.DuckDBPyConnection, database: str) -> set[tuple[str, str, str]]:
    return set(
        connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() where database_name = ? and data_type = ?",
            [database, _TEXT],
        ).fetchall()
    )


def _personal_values(tables: "Sequence[PublishedTable]") -> str:
    """SQL of the values of the warehouse that single people out and that the file shows as tokens or not at all."""
    selects = [
        f"select distinct cast({quote(column.name)} as varchar) from {'.'.join(quote(p) for p in table.name.split('.'))} "
        f"where {quote(column.name)} is not null"
        for table in tables
        for column in table.columns
        if column.name in _TELLING and (column.word or "").split(":")[0] in ("token", "drop")
    ]
    return " union ".join(selects)
