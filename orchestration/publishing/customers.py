"""The full file: marts and analysis as they are, for those who work with customers by name, encrypted at rest.

Belongs here: what is in it. Does not belong here: where the key comes from (`orchestration.privacy.encryption`), or
writing the file (`database.py`).

Everybody is in it, restricted people and those who consent to nothing, too: it answers service and compliance, not
marketing, whose audience has a table of its own.
"""

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path

import duckdb

from orchestration.privacy.closure import Closure
from orchestration.publishing.columns import TableText, quote
from orchestration.publishing.database import (
    Origin,
    PublishedColumn,
    PublishedFile,
    PublishedTable,
    require_warehouse,
    warehouse_columns,
    write_database,
)
from orchestration.publishing.errors import PublishingError
from orchestration.publishing.files import OWNER_ONLY
from orchestration.publishing.withdrawal import withdraw_people
from orchestration.warehouse import connect


def publish_customers(
    warehouse: Path,
    target: Path,
    key: str,
    tables: Mapping[str, TableText] | None = None,
    *,
    run_id: str | None = None,
    load_date: date | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> PublishedFile:
    """Write `customers.duckdb`: every table and column of marts and analysis, encrypted with AES-256-GCM.

    Args:
        warehouse: the working DuckDB file.
        target: the file to write; only its owner may read it.
        key: of at least 32 characters; whoever opens the file gives the same.
        tables: descriptions, which become comments.
        run_id: the run that publishes, kept in `meta.publication`.
        load_date: the newest day of data, kept in `meta.publication`.

    Raises:
        PublishingError: there is nothing to publish, the extension httpfs is missing, or DuckDB or the disk failed; the
            file published before is unchanged.
        orchestration.warehouse.WarehouseLockedError: another process holds the working file.
    """
    require_warehouse(warehouse)
    with connect(warehouse, threads=threads, memory_limit=memory_limit) as connection:
        plan = _plan(connection, tables or {})
        if not plan:
            raise PublishingError("The warehouse has nothing to publish in marts or analysis. Run `kindred run` first.")
        return write_database(connection, target, plan, Origin(run_id, load_date), key=key, mode=OWNER_ONLY)


def withdraw_from_customers(
    warehouse: Path,
    target: Path,
    closure: Closure,
    key: str,
    *,
    fresh: Collection[str] = (),
    tables: Mapping[str, TableText] | None = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> PublishedFile:
    """Take people out of `customers.duckdb` as it was published: see `withdrawal.py`.

    Args:
        fresh: tables that are taken from the warehouse anew.

    Raises as `withdraw_people` does.
    """
    with connect(warehouse, threads=threads, memory_limit=memory_limit) as connection:
        anew = [table for table in _plan(connection, tables or {}) if table.name in fresh]
        return withdraw_people(connection, target, closure, mode=OWNER_ONLY, fresh=anew, key=key)


def _plan(connection: duckdb.DuckDBPyConnection, texts: Mapping[str, TableText]) -> list[PublishedTable]:
    """Every table of marts and analysis, with all its columns."""
    return [
        PublishedTable(
            table,
            tuple(PublishedColumn(column, quote(column)) for column, _ in columns),
            text=texts.get(table, TableText()),
        )
        for table, columns in warehouse_columns(connection).items()
    ]
