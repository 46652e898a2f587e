"""The analysts' file: a pseudonymised copy of the marts, built beside the old one and swapped in.

Belongs here: checking that every column may be published, copying, documenting, swapping. Does not belong here: the
privacy words (`columns.py`), tokens (`orchestration.privacy.pseudonyms`), atomic renames (`files.py`).

The tables' contents depend on the working tables and the secret alone: rows are sorted by all their published columns,
which also keeps the working file's row order from telling anything. What depends on the run (its id, the time of
publishing) stands in the schema `meta` only. Two files of equal contents still differ in bytes: DuckDB gives every file
an identifier of its own, and lays out blocks in the order in which its threads finish them.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import duckdb

from orchestration.privacy.pseudonyms import TokenKey, token_key, token_key_id
from orchestration.publishing.columns import (
    PUBLISHED_SCHEMAS,
    PrivacyRule,
    TableText,
    parse_privacy,
    quote,
)
from orchestration.publishing.errors import PublishingError, UnknownPrivacyError
from orchestration.publishing.files import replacing
from orchestration.warehouse import connect

FILE_NAME = "analytics.duckdb"


@dataclass(frozen=True)
class PublishedFile:
    """A file that was published.

    Attributes:
        path: where it lies.
        tables: rows by `schema.table`, of marts and analysis.
        bytes: the file's size.
        sha256: the file's hash, hexadecimal.
        seconds: how long publishing took.
    """

    path: Path
    tables: Mapping[str, int]
    bytes: int
    sha256: str
    seconds: float


@dataclass(frozen=True)
class _Column:
    name: str
    data_type: str
    rule: PrivacyRule


def publish_analytics(
    warehouse: Path,
    published: Path,
    columns: Mapping[str, Mapping[str, str]],
    secret: bytes,
    tables: Mapping[str, TableText] | None = None,
    *,
    run_id: str | None = None,
    load_date: date | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> PublishedFile:
    """Write `analytics.duckdb`: every table of marts and analysis, each column as its privacy word allows.

    Args:
        warehouse: the working DuckDB file.
        published: the folder of published files; created when missing.
        columns: privacy word of each column by `schema.table`, as `column_privacy` reads them.
        secret: the installation's secret; the tokens' key is derived from it.
        tables: descriptions, as `table_texts` reads them; they become comments in the file.
        run_id: the run that publishes, kept in `meta.publication`.
        load_date: the newest day of data, kept in `meta.publication`.

    Returns:
        What was published.

    Raises:
        UnknownPrivacyError: a table or column of marts or analysis has no usable privacy word.
        PublishingError: a documented table does not exist, there is nothing to publish, or DuckDB or the disk failed.
        orchestration.warehouse.WarehouseLockedError: another process holds the working file.
    """
    started = time.perf_counter()
    target = published / FILE_NAME
    texts = tables or {}
    if not warehouse.exists():
        raise PublishingError(f"There is no warehouse at {warehouse}. Run `kindred run` first.")
    with connect(warehouse, threads=threads, memory_limit=memory_limit) as connection:
        plan = _plan(connection, columns)
        try:
            with replacing(target) as building:
                counts = _build(connection, building, plan, texts, secret, run_id=run_id, load_date=load_date)
                digest, size = _digest(building)
        except (duckdb.Error, OSError) as error:
            raise PublishingError(
                f"{FILE_NAME} could not be built: {error}. The file published before is still in place, unchanged."
            ) from error
    return PublishedFile(target, counts, size, digest, time.perf_counter() - started)


def _plan(connection: duckdb.DuckDBPyConnection, words: Mapping[str, Mapping[str, str]]) -> dict[str, list[_Column]]:
    """What is published of each table; refuses what is not known rather than leaving it out silently."""
    found: dict[str, list[_Column]] = {}
    for table, column, data_type in connection.execute(
        """
        select schema_name || '.' || table_name, column_name, data_type
        from duckdb_columns()
        where database_name = current_database() and schema_name in (select unnest(?)) and not internal
        order by schema_name, table_name, column_index
        """,
        [list(PUBLISHED_SCHEMAS)],
    ).fetchall():
        if table not in words:
            raise UnknownPrivacyError(
                f"Table {table} is not described by dbt, so it is not known what of it is personal and nothing is "
                "published. Describe it and its columns' privacy in a model's yml, or drop the table."
            )
        rule = parse_privacy(words[table].get(column), f"Column {column} of {table}")
        rule.sql(column, data_type, f"Column {column} of {table}")
        found.setdefault(table, []).append(_Column(column, data_type, rule))
    missing = sorted(set(words) - set(found))
    if missing:
        raise PublishingError(
            f"The warehouse has no {', '.join(missing)}, which dbt describes. Build the models first: `kindred run`."
        )
    if not any(column.rule.action != "drop" for columns in found.values() for column in columns):
        raise PublishingError("The warehouse has nothing to publish in marts or analysis. Run `kindred run` first.")
    return found


def _build(
    connection: duckdb.DuckDBPyConnection,
    building: Path,
    plan: Mapping[str, list[_Column]],
    texts: Mapping[str, TableText],
    secret: bytes,
    *,
    run_id: str | None,
    load_date: date | None,
) -> dict[str, int]:
    """Write the new file in one transaction, so that all its tables show one state of the warehouse."""
    key = token_key(secret)
    database = f"publishing_{uuid4().hex}"
    connection.execute(f"attach {_literal(str(building))} as {database}")
    try:
        connection.execute("begin")
        try:
            for schema in (*PUBLISHED_SCHEMAS, "meta"):
                connection.execute(f"create schema {database}.{schema}")
            counts = {}
            for table, columns in plan.items():
                kept = [column for column in columns if column.rule.action != "drop"]
                if kept:
                    counts[table] = _copy(connection, database, table, kept, key)
                    _comment(connection, database, table, kept, texts.get(table, TableText()))
            _describe_publication(connection, database, plan, counts, texts, token_key_id(secret), run_id, load_date)
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute(f"checkpoint {database}")
    finally:
        connection.execute(f"detach {database}")
    return counts


def _copy(
    connection: duckdb.DuckDBPyConnection, database: str, table: str, columns: list[_Column], key: TokenKey
) -> int:
    selected = ", ".join(f"{c.rule.sql(c.name, c.data_type, table)} as {quote(c.name)}" for c in columns)
    (source,) = connection.execute("select current_database()").fetchall()[0]
    statement = (
        f"create table {database}.{_path(table)} as select {selected} from {quote(source)}.{_path(table)} order by all"
    )
    parameters = key.parameters if any(column.rule.uses_key for column in columns) else {}
    (rows,) = connection.execute(statement, parameters).fetchall()[0]
    return int(rows)


def _comment(
    connection: duckdb.DuckDBPyConnection, database: str, table: str, columns: list[_Column], text: TableText
) -> None:
    if text.description:
        connection.execute(f"comment on table {database}.{_path(table)} is {_literal(text.description.strip())}")
    for column in columns:
        comment = _column_text(column, text)
        if comment:
            path = f"{database}.{_path(table)}.{quote(column.name)}"
            connection.execute(f"comment on column {path} is {_literal(comment)}")


def _column_text(column: _Column, text: TableText) -> str:
    return " ".join(part for part in (text.columns.get(column.name, "").strip(), column.rule.note()) if part)


def _describe_publication(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    plan: Mapping[str, list[_Column]],
    counts: Mapping[str, int],
    texts: Mapping[str, TableText],
    key_id: str,
    run_id: str | None,
    load_date: date | None,
) -> None:
    """Schema `meta`: where the file comes from and what is in it, for people and programs that open it."""
    connection.execute(
        f"""
        create table {database}.meta.publication
            (run_id varchar, load_date date, published_at timestamp, token_key_id varchar);
        create table {database}.meta.tables (table_name varchar, row_count bigint, description varchar);
        create table {database}.meta.columns
            (table_name varchar, column_name varchar, privacy varchar, published boolean, description varchar);
        comment on table {database}.meta.publication is 'One row: the run that made this file. Tokens of two files join when their token_key_id is the same.';
        comment on table {database}.meta.tables is 'One row per published table.';
        comment on table {database}.meta.columns is 'One row per column of the warehouse marts, with what was done to its values; dropped columns are listed too.';
        """
    )
    connection.execute(
        f"insert into {database}.meta.publication values (?, ?, ?, ?)",
        [run_id, load_date, datetime.now(UTC).replace(tzinfo=None), key_id],
    )
    connection.executemany(
        f"insert into {database}.meta.tables values (?, ?, ?)",
        [[t, n, texts.get(t, TableText()).description.strip() or None] for t, n in counts.items()],
    )
    connection.executemany(
        f"insert into {database}.meta.columns values (?, ?, ?, ?, ?)",
        [
            [
                table,
                column.name,
                column.rule.word,
                column.rule.action != "drop",
                texts.get(table, TableText()).columns.get(column.name, "").strip() or None,
            ]
            for table, columns in plan.items()
            for column in columns
        ],
    )


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def _path(table: str) -> str:
    return ".".join(quote(part) for part in table.split("."))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
