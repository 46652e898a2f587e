"""The working DuckDB file: how every part of Kindred opens it.

Belongs here: opening, closing and the message when somebody else holds the file. Does not belong here: any query.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from orchestration.errors import KindredError


class WarehouseLockedError(KindredError):
    """Another process is writing the working file; DuckDB allows one writer and, while it writes, no reader."""


# The files that a run keeps open in this process, each with the connection that does so while dbt is not at work.
_kept: dict[Path, duckdb.DuckDBPyConnection | None] = {}


@contextmanager
def kept_open(path: Path) -> Iterator[None]:
    """Keep the file open in this process between the steps of a run.

    Opening costs a tenth of a second, and closing as much again for a checkpoint; a run opens the file fifty times.
    """
    _kept[path] = None
    try:
        yield
    finally:
        let_go(path)
        del _kept[path]


def let_go(path: Path) -> None:
    """Close the kept connection, so that dbt can open the file with a configuration of its own."""
    connection = _kept.get(path)
    if connection is not None:
        connection.close()
        _kept[path] = None


@contextmanager
def connect(
    path: Path, *, threads: int | None = None, memory_limit: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the working file for reading and writing, and close it whatever happens.

    Limits are set after connecting rather than at it: two connections of one process must agree in their connect-time
    configuration, and dbt opens its own.

    Raises:
        WarehouseLockedError: another process has the file open.
    """
    if path in _kept and _kept[path] is None:
        _kept[path] = _open(path)
    connection = _open(path)
    try:
        connection.execute("set timezone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        if threads:
            connection.execute(f"set threads = {int(threads)}")
        if memory_limit:
            connection.execute("set memory_limit = ?", [memory_limit])
        yield connection
    finally:
        connection.close()


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return duckdb.connect(str(path))
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise WarehouseLockedError(
                f"{path.name} is in use by another process. A run is probably going on: wait for it to end "
                "(`kindred status` shows it), or close the program that has the file open. "
                "To query while runs go on, open the published file instead."
            ) from error
        raise
