"""Looking through a built file for what must not be in it, before anybody can open it.

Belongs here: the search. Does not belong here: what may be shown (the privacy words), or k-anonymity.

A privacy word guards a column, not what a source writes into it: an e-mail address in a field of channels, a page's
address with a name in it, a customer's id in a status. So every text that is shown as it is, is looked through: for
what looks like an e-mail address, a web address or a telephone number, and for the very values that stand as tokens or
not at all elsewhere. Distinct values only, so that the cost follows their number and not the rows.
"""

from collections.abc import Collection, Sequence
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
_KNOWN = "a value that stands as a token, or not at all, elsewhere"
_SHOWN = "kindred_shown_values"


def require_no_leak(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    tables: "Sequence[PublishedTable]",
    among: Collection[str] | None = None,
) -> None:
    """Look through every text column of the file that shows values as they are.

    Args:
        connection: to the warehouse, with the built file attached as `database`.
        among: the tables to look through; all when None.

    Raises:
        LeakError: the message names table, column, what was found and how often, never the value.
    """
    texts = _text_columns(connection, database)
    shown = [
        (table.name, column.name)
        for table in tables
        for column in table.columns
        if column.sql is not None
        and (among is None or table.name in among)
        and (column.word or "").split(":")[0] in _SHOWING
        and (*table.name.split("."), column.name) in texts
    ]
    if not shown:
        return
    # What is shown has few distinct values, and the ids and addresses of people are as many as they: so those are
    # gathered once, and these stream past them once.
    listed = " union all ".join(
        f"select distinct {number} as place, {quote(column)} as value "
        f"from {database}.{'.'.join(quote(part) for part in table.split('.'))} where {quote(column)} is not null"
        for number, (table, column) in enumerate(shown)
    )
    connection.execute(f"create or replace temp table {_SHOWN} as {listed}")
    try:
        _look_through(connection, shown, _personal_values(tables))
    finally:
        connection.execute(f"drop table {_SHOWN}")


def _look_through(connection: duckdb.DuckDBPyConnection, shown: Sequence[tuple[str, str]], personal: str) -> None:
    looks = ", ".join(f"count(*) filter (where regexp_matches(value, '{pattern}'))" for pattern in _LOOKS.values())
    places = connection.execute(
        f"""
        with known_values as (select distinct value from ({personal}) semi join {_SHOWN} using (value))
        select place, {looks}, count(*) filter (where value in (select value from known_values))
        from {_SHOWN} group by place order by place
        """
    ).fetchall()
    for place, *found in places:
        table, column = shown[place]
        for what, count in zip((*_LOOKS, _KNOWN), found, strict=True):
            if count:
                raise LeakError(
                    f"Column {column} of {table} shows {what} ({count} distinct values), so the file was not published; "
                    "the one published before is still in place. Give the column token or drop as its privacy word in the "
                    "model's yml, or clean it in the model."
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
        f"select cast({quote(column.name)} as varchar) as value from {'.'.join(quote(p) for p in table.name.split('.'))} "
        f"where {quote(column.name)} is not null"
        for table in tables
        for column in table.columns
        if column.name in _TELLING and (column.word or "").split(":")[0] in ("token", "drop")
    ]
    return " union all ".join(selects) or "select null::varchar as value where false"
