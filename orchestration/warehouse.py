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
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(path))
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise WarehouseLockedError(
                f"{path.name} is in use by another process. A run is probably going on: wait for it to end "
                "(`kindred status` shows it), or close the program that has the file open. "
                "To query while runs go on, open the published file instead."
            ) from error
        raise
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
