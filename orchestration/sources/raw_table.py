"""The shape of a raw table: the contract's columns, those that drift brought, and the loader's own.

Belongs here: the columns of `raw.<table>`, and whether it has them. Does not belong here: filling it (see `load`).
"""

from collections.abc import Collection

import duckdb

from orchestration.sources.contract import Contract, Table
from orchestration.sources.names import quote

_BOOKKEEPING = ("_load_date date", "_file varchar", "_row bigint")


def raw_columns(table: Table, extras: Collection[str] = ()) -> list[str]:
    """The definitions of a raw table's columns: the contract's, unknown ones by name, the loader's own."""
    return [
        *(f"{quote(column.name)} {column.type}" for column in table.columns),
        *(f"{quote(name)} varchar" for name in sorted(extras)),
        *_BOOKKEEPING,
    ]


def _raw_extras(con: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """The columns of raw.<table> that the contract does not know, by name."""
    known = [*(column.name for column in table.columns), *(item.split()[0] for item in _BOOKKEEPING)]
    rows = con.execute(
        """
        select column_name
        from duckdb_columns()
        where schema_name = 'raw' and table_name = ? and database_name = current_database()
            and not list_contains(?, column_name)
        order by column_name
        """,
        [table.raw_name, known],
    ).fetchall()
    return [row[0] for row in rows]


def kept_extras(con: duckdb.DuckDBPyConnection, contract: Contract, table: Table) -> list[str]:
    """Only a contract that evolves keeps columns that it does not describe."""
    return _raw_extras(con, table) if contract.drift_policy == "evolve" else []


def widen(con: duckdb.DuckDBPyConnection, table: Table, extras: Collection[str]) -> None:
    """Give raw.<table> the unknown columns that it lacks, all of them by name behind the contract's.

    The table is made anew, so that its columns do not stand in the order in which days happened to be loaded.
    """
    present = _raw_extras(con, table)
    if set(extras) <= set(present):
        return
    con.execute(f"create or replace table raw.widened ({', '.join(raw_columns(table, {*present, *extras}))})")
    con.execute(f"insert into raw.widened by name select * from raw.{table.raw_name}")
    con.execute(f"drop table raw.{table.raw_name}")
    con.execute(f"alter table raw.widened rename to {table.raw_name}")


def raw_differs(con: duckdb.DuckDBPyConnection, table: Table, extras: Collection[str]) -> bool:
    """Whether raw.<table> is absent or has other columns or types than the contract, and its policy, now say."""
    con.execute("create schema if not exists raw")
    con.execute(f"create or replace temp table raw_expected ({', '.join(raw_columns(table, extras))})")
    difference = con.execute(
        """
        with expected as (
            select column_index, column_name, data_type from duckdb_columns() where table_name = 'raw_expected'
        ),
        found as (
            select column_index, column_name, data_type
            from duckdb_columns()
            where schema_name = 'raw' and table_name = ? and database_name = current_database()
        )
        select count(*) from (from expected except from found union all (from found except from expected))
        """,
        [table.raw_name],
    ).fetchall()[0][0]
    con.execute("drop table raw_expected")
    return bool(difference)
