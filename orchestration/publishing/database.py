"""Building one published DuckDB file: tables by SELECT, their comments, the schema `meta`, checks, and the swap.

Belongs here: what all published files have in common. Does not belong here: what a file shows (`analytics.py`,
`public.py`, `customers.py`), or the privacy words (`columns.py`).
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import duckdb

from orchestration.duckdb_files import EncryptionError, attach, literal
from orchestration.publishing.columns import PUBLISHED_SCHEMAS, TableText, quote
from orchestration.publishing.errors import PublishingError
from orchestration.publishing.files import FILE_MODE, replacing
from orchestration.publishing.k_anonymity import Anonymity


@dataclass(frozen=True)
class PublishedFile:
    """A file that was published.

    Attributes:
        path: where it lies.
        tables: rows by `schema.table`, of marts and analysis.
        bytes: the file's size.
        sha256: the file's hash, hexadecimal.
        seconds: how long publishing took.
        anonymity: how many people share each combination of quasi-identifiers, for the tables that have some.
    """

    path: Path
    tables: Mapping[str, int]
    bytes: int
    sha256: str
    seconds: float
    anonymity: tuple[Anonymity, ...] = ()


@dataclass(frozen=True)
class PublishedColumn:
    """One column of a table of the warehouse, and what the file shows of it.

    `sql` is None for a column that is left out; `word` is the privacy word, None where the file shows everything.
    """

    name: str
    sql: str | None
    word: str | None = None
    note: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """One table of a file.

    Attributes:
        name: `schema.table`.
        columns: in the table's order.
        source: SQL of the relation it is read from; the warehouse's table of the same name when empty.
        text: descriptions, which become comments.
        in_order: the source's rows stand in the order that the file is to have; else they are sorted.
    """

    name: str
    columns: tuple[PublishedColumn, ...]
    source: str = ""
    text: TableText = field(default_factory=TableText)
    in_order: bool = False


@dataclass(frozen=True)
class Origin:
    """The run that publishes, kept in `meta.publication`."""

    run_id: str | None = None
    load_date: date | None = None
    token_key_id: str | None = None
    token_period: str | None = None


Check = Callable[[duckdb.DuckDBPyConnection, str, Sequence[PublishedTable]], Sequence[Anonymity]]
"""Looks at the built file, attached under the given name, before anybody sees it; raises to keep the old one."""


def write_database(
    connection: duckdb.DuckDBPyConnection,
    target: Path,
    tables: Sequence[PublishedTable],
    origin: Origin,
    *,
    parameters: Mapping[str, object] | None = None,
    key: str | None = None,
    mode: int = FILE_MODE,
    check: Check | None = None,
) -> PublishedFile:
    """Build a file of the tables beside the old one, check it, and swap it in.

    Args:
        connection: to the warehouse, which is its current database.
        target: the published file.
        parameters: what the columns' SQL needs, such as `TokenKey.parameters`.
        key: encrypts the file.
        mode: the file's permissions.

    Raises:
        PublishingError: DuckDB or the disk failed, or the check refused; what was published before is unchanged.
    """
    started = time.perf_counter()
    try:
        with replacing(target, mode) as building:
            database = f"publishing_{uuid4().hex}"
            attach(connection, building, database, key=key)
            try:
                counts = _build(connection, database, tables, origin, dict(parameters or {}))
                anonymity = tuple(check(connection, database, tables)) if check else ()
                _keep_anonymity(connection, database, anonymity)
                connection.execute(f"checkpoint {database}")
            finally:
                connection.execute(f"detach {database}")
            digest, size = _digest(building)
    except (duckdb.Error, OSError, EncryptionError) as error:
        raise PublishingError(
            f"{target.name} could not be built: {error}. The file published before is still in place, unchanged."
        ) from error
    return PublishedFile(target, counts, size, digest, time.perf_counter() - started, anonymity)


def require_warehouse(path: Path) -> None:
    """Raises PublishingError when there is no warehouse."""
    if not path.exists():
        raise PublishingError(f"There is no warehouse at {path}. Run `kindred run` first.")


def table_path(table: str) -> str:
    """`schema.table` as SQL."""
    return ".".join(quote(part) for part in table.split("."))


def warehouse_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str, str]]]:
    """Name and type of every column of marts and analysis, by `schema.table`, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for table, column, data_type in connection.execute(
        """
        select schema_name || '.' || table_name, column_name, data_type
        from duckdb_columns()
        where database_name = current_database() and schema_name in (select unnest(?)) and not internal
        order by schema_name, table_name, column_index
        """,
        [list(PUBLISHED_SCHEMAS)],
    ).fetchall():
        found.setdefault(table, []).append((column, data_type))
    return found


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise


def _build(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    tables: Sequence[PublishedTable],
    origin: Origin,
    parameters: dict[str, object],
) -> dict[str, int]:
    """Write the new file in one transaction, so that all its tables show one state of the warehouse."""
    counts = {}
    with _transaction(connection):
        for schema in (*PUBLISHED_SCHEMAS, "meta"):
            connection.execute(f"create schema {database}.{schema}")
        for table in tables:
            if any(column.sql is not None for column in table.columns):
                counts[table.name] = _copy(connection, database, table, parameters)
                _comment(connection, database, table)
        _describe(connection, database, tables, counts, origin)
    return counts


def _copy(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    table: PublishedTable,
    parameters: dict[str, object],
) -> int:
    kept = [column for column in table.columns if column.sql is not None]
    selected = ", ".join(f"{column.sql} as {quote(column.name)}" for column in kept)
    (warehouse,) = connection.execute("select current_database()").fetchall()[0]
    source = table.source or f"{quote(warehouse)}.{table_path(table.name)}"
    statement = f"create table {database}.{table_path(table.name)} as select {selected} from {source}"
    used = {name: value for name, value in parameters.items() if f"${name}" in selected}
    # Ordered by all it shows, so that two runs give the same rows in the same order, and that order tells nothing.
    (rows,) = connection.execute(statement if table.in_order else f"{statement} order by all", used).fetchall()[0]
    return int(rows)


def _comment(connection: duckdb.DuckDBPyConnection, database: str, table: PublishedTable) -> None:
    path = f"{database}.{table_path(table.name)}"
    if table.text.description:
        connection.execute(f"comment on table {path} is {literal(table.text.description.strip())}")
    for column in table.columns:
        parts = (table.text.columns.get(column.name, "").strip(), column.note)
        comment = " ".join(part for part in parts if part)
        if comment and column.sql is not None:
            connection.execute(f"comment on column {path}.{quote(column.name)} is {literal(comment)}")


def _describe(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    tables: Sequence[PublishedTable],
    counts: Mapping[str, int],
    origin: Origin,
) -> None:
    """Schema `meta`: where the file comes from and what is in it, for people and programs that open it."""
    connection.execute(
        f"""
        create table {database}.meta.publication
            (run_id varchar, load_date date, published_at timestamp, token_key_id varchar, token_period varchar);
        create table {database}.meta.tables (table_name varchar, row_count bigint, description varchar);
        create table {database}.meta.columns
            (table_name varchar, column_name varchar, privacy varchar, published boolean, description varchar);
        create table {database}.meta.k_anonymity
            (table_name varchar, quasi_identifiers varchar, k bigint, required_k bigint, "groups" bigint,
             people bigint, people_in_small_groups bigint, people_withheld bigint);
        comment on table {database}.meta.publication is 'One row: the run that made this file. Tokens of two files join when their token_key_id is the same.';
        comment on table {database}.meta.tables is 'One row per published table.';
        comment on table {database}.meta.columns is 'One row per column of the warehouse marts, with what was done to its values; dropped columns are listed too.';
        comment on table {database}.meta.k_anonymity is 'One row per table with quasi-identifiers: k is the size of the smallest group of people who share them.';
        """
    )
    connection.execute(
        f"insert into {database}.meta.publication values (?, ?, ?, ?, ?)",
        [
            origin.run_id,
            origin.load_date,
            datetime.now(UTC).replace(tzinfo=None),
            origin.token_key_id,
            origin.token_period,
        ],
    )
    texts = {table.name: table.text for table in tables}
    connection.executemany(
        f"insert into {database}.meta.tables values (?, ?, ?)",
        [[table, rows, texts[table].description.strip() or None] for table, rows in counts.items()],
    )
    connection.executemany(
        f"insert into {database}.meta.columns values (?, ?, ?, ?, ?)",
        [
            [
                table.name,
                column.name,
                column.word,
                column.sql is not None,
                table.text.columns.get(column.name, "").strip() or None,
            ]
            for table in tables
            for column in table.columns
        ],
    )


def _keep_anonymity(connection: duckdb.DuckDBPyConnection, database: str, anonymity: Sequence[Anonymity]) -> None:
    if anonymity:
        connection.executemany(
            f"insert into {database}.meta.k_anonymity values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                [
                    found.table,
                    ", ".join(found.quasi_identifiers),
                    found.k,
                    found.required,
                    found.groups,
                    found.people,
                    found.people_in_small_groups,
                    found.people_withheld,
                ]
                for found in anonymity
            ],
        )


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
