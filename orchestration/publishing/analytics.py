"""The analysts' file: a pseudonymised copy of marts and analysis, built beside the old one and swapped in.

Belongs here: that every column is known and may be published, and what of it. Does not belong here: the privacy words
(`columns.py`), tokens (`orchestration.privacy.pseudonyms`), writing the file (`database.py`), or looking for what slipped
through (`leaks.py`).

The tables' contents depend on the working tables and the secret alone: rows are sorted by all their published columns,
which also keeps the working file's row order from telling anything. What depends on the run (its id, the time of
publishing) stands in the schema `meta` only. Two files of equal contents still differ in bytes: DuckDB gives every file
an identifier of its own, and lays out blocks in the order in which its threads finish them.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb

from orchestration.privacy.closure import Closure
from orchestration.privacy.pseudonyms import token_key, token_key_id, token_purpose
from orchestration.publishing.columns import TableText, column_rule
from orchestration.publishing.database import (
    Origin,
    PublishedColumn,
    PublishedFile,
    PublishedTable,
    require_warehouse,
    warehouse_columns,
    write_database,
)
from orchestration.publishing.errors import PublishingError, UnknownPrivacyError
from orchestration.publishing.files import FILE_MODE
from orchestration.publishing.k_anonymity import Anonymity, is_quasi_identifier, measure
from orchestration.publishing.leaks import require_no_leak
from orchestration.publishing.withdrawal import withdraw_people
from orchestration.warehouse import connect

FILE_NAME = "analytics.duckdb"

Words = Mapping[str, Mapping[str, str]]


def publish_analytics(
    warehouse: Path,
    published: Path,
    columns: Words,
    secret: bytes,
    tables: Mapping[str, TableText] | None = None,
    *,
    run_id: str | None = None,
    load_date: date | None = None,
    token_period: str = "never",
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
        load_date: the newest day of data, kept in `meta.publication`; tokens may rotate with it.
        token_period: see `orchestration.privacy.pseudonyms.token_purpose`.

    Returns:
        What was published, with the k of every table of people that has quasi-identifiers. Nothing is required of it: the file is
        pseudonymous, for people who are bound to treat it so, and not anonymous.

    Raises:
        UnknownPrivacyError: a table or column of marts or analysis has no usable privacy word.
        LeakError: a value that must not be shown was found in the new file.
        PublishingError: a documented table does not exist, there is nothing to publish, or DuckDB or the disk failed.
        orchestration.warehouse.WarehouseLockedError: another process holds the working file.
    """
    require_warehouse(warehouse)
    try:
        purpose = token_purpose(token_period, load_date)
    except ValueError as error:
        raise PublishingError(str(error)) from error
    with connect(warehouse, threads=threads, memory_limit=memory_limit) as connection:
        return write_database(
            connection,
            published / FILE_NAME,
            _plan(connection, columns, tables or {}),
            Origin(
                run_id, load_date, token_key_id(secret, purpose), purpose.removeprefix("tokens").strip("/") or "never"
            ),
            parameters=token_key(secret, purpose).parameters,
            check=_looked_through,
        )


def withdraw_from_analytics(
    warehouse: Path,
    published: Path,
    closure: Closure,
    secret: bytes,
    *,
    fresh: Collection[str] = (),
    columns: Words | None = None,
    tables: Mapping[str, TableText] | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> PublishedFile:
    """Take people out of `analytics.duckdb` as it was published: see `withdrawal.py`.

    Args:
        fresh: tables that are published anew from the warehouse, with the search for leaks.
        columns: privacy words, needed when there are such tables.

    Raises as `withdraw_people` does, and as `publish_analytics` does for the fresh tables.
    """
    with connect(warehouse, threads=threads, memory_limit=memory_limit) as connection:
        plan = _plan(connection, columns or {}, tables or {}) if fresh else []
        anew = [table for table in plan if table.name in fresh]
        return withdraw_people(
            connection,
            published / FILE_NAME,
            closure,
            mode=FILE_MODE,
            fresh=[table for table in anew if any(column.sql for column in table.columns)],
            secret=secret,
            check=lambda con, database, built: _looked_through(con, database, built, among=set(fresh)),
        )


def _plan(connection: duckdb.DuckDBPyConnection, words: Words, texts: Mapping[str, TableText]) -> list[PublishedTable]:
    """What is published of each table; refuses what is not known rather than leaving it out silently."""
    found = warehouse_columns(connection)
    if unknown := sorted(set(found) - set(words)):
        raise UnknownPrivacyError(
            f"Table {unknown[0]} is not described by dbt, so it is not known what of it is personal and nothing is "
            "published. Describe it and its columns' privacy in a model's yml, or drop the table."
        )
    plan = [
        PublishedTable(
            table,
            tuple(
                published_column(table, column, data_type, words[table].get(column)) for column, data_type in columns
            ),
            text=texts.get(table, TableText()),
        )
        for table, columns in found.items()
    ]
    missing = sorted(set(words) - set(found))
    if missing:
        raise PublishingError(
            f"The warehouse has no {', '.join(missing)}, which dbt describes. Build the models first: `kindred run`."
        )
    if not any(column.sql for table in plan for column in table.columns):
        raise PublishingError("The warehouse has nothing to publish in marts or analysis. Run `kindred run` first.")
    return plan


def published_column(table: str, column: str, data_type: str, word: object) -> PublishedColumn:
    """What a privacy word makes of a column. Raises UnknownPrivacyError."""
    rule = column_rule(column, word, table)
    sql = None if rule.action == "drop" else rule.sql(column, data_type, f"Column {column} of {table}")
    return PublishedColumn(column, sql, rule.word, rule.note())


def _looked_through(
    connection: duckdb.DuckDBPyConnection,
    database: str,
    tables: Sequence[PublishedTable],
    among: Collection[str] | None = None,
) -> list[Anonymity]:
    require_no_leak(connection, database, tables, among)
    found = []
    for table in tables:
        quasi = [
            column.name
            for column in table.columns
            if is_quasi_identifier(column.name, column_rule(column.name, column.word, table.name), None)
        ]
        # Rows of people alone; and a single column is a list of values, and groups nobody.
        if len(quasi) > 1 and any(column.name == "customer_id" and column.sql for column in table.columns):
            schema, name = table.name.split(".")
            found.append(measure(connection, f'{database}."{schema}"."{name}"', table.name, quasi))
    return found
