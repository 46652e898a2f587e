"""The working DuckDB file: how every part of Kindred opens it.

Belongs here: opening, closing, rewriting and the message when somebody else holds the file. Does not belong here: any
query, or what DuckDB needs for encrypted files (`duckdb_files.py`).

Whether the file is encrypted is nobody's business but the project's, which registers its key (`duckdb_files.use_key`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from orchestration import duckdb_files
from orchestration.duckdb_files import Change, EncryptionError, key_of
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


def rewrite(path: Path, change: Change | None = None) -> None:
    """Write any DuckDB file of Kindred anew, without the bytes of what was deleted: see `duckdb_files.rewrite`.

    For the working file itself: delete through `connect` first, or hand the deletion over as `change`; the connection
    kept open for a run is let go, every other one must be closed.

    Raises:
        WarehouseLockedError: another process has the file open.
        EncryptionError: the key is missing or wrong.
    """
    let_go(path)
    with _locks_told(path):
        duckdb_files.rewrite(path, change)


def convert(path: Path, key: str, *, encrypted: bool) -> bool:
    """Encrypt the working file, or decrypt it. Returns False when it already is as wanted.

    Raises:
        WarehouseLockedError: another process has the file open.
        EncryptionError: the key is wrong.
    """
    if not path.exists() or duckdb_files.is_encrypted(path) == encrypted:
        return False
    let_go(path)
    with _locks_told(path):
        (duckdb_files.encrypt if encrypted else duckdb_files.decrypt)(path, key)
    return True


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    path.parent.mkdir(parents=True, exist_ok=True)
    check_encryption(path)
    with _locks_told(path):
        return duckdb_files.connect(path)


def check_encryption(path: Path) -> None:
    """Refuse a working file that is plain where the settings say encrypted, or the reverse.

    Raises:
        EncryptionError: it is so; the message names the command that converts it.
    """
    wanted, found = key_of(path) is not None, duckdb_files.is_encrypted(path)
    if wanted and not found and path.exists() and path.stat().st_size:
        raise EncryptionError(
            f"{path.name} is not encrypted, and KINDRED_ENCRYPT_WORKING_FILES says that it should be. "
            "Run `kindred warehouse encrypt` once, or unset the variable."
        )
    if found and not wanted:
        raise EncryptionError(
            f"{path.name} is encrypted, and KINDRED_ENCRYPT_WORKING_FILES is not set. "
            "Set it to true, or run `kindred warehouse decrypt` once."
        )


@contextmanager
def _locks_told(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise WarehouseLockedError(
                f"{path.name} is in use by another process. A run is probably going on: wait for it to end "
                "(`kindred status` shows it), or close the program that has the file open. "
                "To query while runs go on, open the published file instead."
            ) from error
        raise
