"""The private database in which linkage works, and the matching features of records in it.

What belongs here: attaching an in-memory database beside the one that holds the records, so
that the warehouse gets no helper tables and both share one memory limit, and filling it with
features. What does not: how a feature is derived from a value (features.py), and any use of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.linkage.errors import LinkageError
from orchestration.linkage.features import ATTRIBUTES, EXTRA_PREFIX, derive_features, register_mapping
from orchestration.linkage.sql import columns_of, quoted

if TYPE_CHECKING:
    import duckdb

_NAME = "kindred_linkage"
_LONGEST = 200


@dataclass(frozen=True)
class Workspace:
    """A private in-memory database attached to the instance of another.

    `con` works in it by default and reaches the other database's tables as `warehouse`.table;
    connections of the other database reach it as `name`.
    """

    con: duckdb.DuckDBPyConnection
    name: str
    warehouse: str


@dataclass(frozen=True)
class FeatureTable:
    """Matching features of records in a private database.

    `con` holds the table `features`: `rid` (INTEGER, records in order of `record_id`, from 0)
    and one column per feature; and `record_ids` (`rid`, `record_id`, `row_hash`: a hash of what
    the features are derived from).
    """

    con: duckdb.DuckDBPyConnection
    database: str
    records: int
    extras: tuple[str, ...]


@contextmanager
def workspace(source: duckdb.DuckDBPyConnection) -> Iterator[Workspace]:
    """Attach a private database to the instance of `source`, for as long as the context lasts."""
    taken = {str(row[0]) for row in source.execute("select database_name from duckdb_databases()").fetchall()}
    name = next(n for n in (f"{_NAME}_{number}" for number in range(len(taken) + 1)) if n not in taken)
    (warehouse, ordered) = source.execute(
        "select current_database(), current_setting('preserve_insertion_order')"
    ).fetchall()[0]
    con = source.cursor()
    con.execute(f"attach ':memory:' as {name}")
    try:
        con.execute(f"use {name}")
        con.execute("set preserve_insertion_order = false")
        yield Workspace(con, name, quoted(str(warehouse)))
    finally:
        con.close()
        source.execute(f"set preserve_insertion_order = {str(ordered).lower()}")
        source.execute(f"detach {name}")


def extras_of(source: duckdb.DuckDBPyConnection, records: str) -> tuple[str, ...]:
    """The further informative columns of a table, in order of their names."""
    return tuple(sorted(name for name in columns_of(source, records) if name.startswith(EXTRA_PREFIX)))


def row_hash_sql(columns: Mapping[str, str], extras: Sequence[str]) -> str:
    """SQL: a hash of everything in a row that features are derived from."""
    used = [name for name in (*ATTRIBUTES, *extras) if name in columns]
    return f"hash({', '.join(f'cast({quoted(name)} as varchar)' for name in used) or 'null'})"


def build_features(
    source: duckdb.DuckDBPyConnection, work: Workspace, records: str, *, where: str = "true"
) -> FeatureTable:
    """Derive the matching features of a table of standardised records (of those that `where` picks).

    Raises LinkageError when `record_id` is missing, null or not unique.
    """
    columns = columns_of(source, records)
    if "record_id" not in columns:
        raise LinkageError(f"{records}: column record_id is missing; every record needs one")
    extras = extras_of(source, records)
    texts = ", ".join(
        f"nullif(trim(lower(left(cast({quoted(name)} as varchar), {_LONGEST}))), '') as {quoted(name)}"
        if name in columns
        else f"null::varchar as {quoted(name)}"
        for name in (*ATTRIBUTES, *extras)
    )
    source.execute(
        f"""
        create or replace table {work.name}.main.records as
        select
            (row_number() over (order by cast(record_id as varchar)) - 1)::integer as rid,
            cast(record_id as varchar) as record_id,
            {row_hash_sql(columns, extras)} as row_hash,
            {texts}
        from {records} where {where}
        """
    )
    con = work.con
    check_ids(con, records, "records")
    _fold_text(con, extras)
    derive_features(con, extras)
    con.execute("create or replace table record_ids as select rid, record_id, row_hash from records")
    con.execute("drop table records")
    rows = con.execute("select count(*) from record_ids").fetchall()[0][0]
    return FeatureTable(con=con, database=work.name, records=int(rows), extras=extras)


def check_ids(con: duckdb.DuckDBPyConnection, records: str, copied: str) -> None:
    """Raise LinkageError when ids of `records`, of which `copied` is a copy, are null or not unique."""
    wrong = con.execute(
        f"""
        select record_id, count(*) as times from {copied}
        group by record_id having count(*) > 1 or record_id is null
        order by record_id nulls first limit 1
        """
    ).fetchall()
    if wrong:
        value, times = wrong[0]
        name = "a null" if value is None else f"the value {value!r}"
        raise LinkageError(f"{records}: record_id has {name} in {times} row(s); ids must be unique and filled")


def _fold_text(con: duckdb.DuckDBPyConnection, extras: tuple[str, ...]) -> None:
    """Plain ASCII for every text; only distinct non-ASCII values see Python."""
    from anyascii import anyascii

    for column in (*ATTRIBUTES, *extras):
        name = quoted(column)
        foreign = con.execute(
            f"select distinct {name} from records where not regexp_full_match({name}, '[ -~]*')"
        ).fetchall()
        if foreign:
            pairs = [(value, anyascii(value).lower().strip() or None) for (value,) in foreign]
            register_mapping(con, "folded", ("value", "plain"), pairs)
            con.execute(f"update records set {name} = folded.plain from folded where {name} = folded.value")
            con.execute("drop table folded")
