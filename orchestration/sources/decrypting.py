"""A file system of DuckDB's that decrypts: its readers take encrypted files part by part, in clear only in memory.

Belongs here: what DuckDB asks of such a file system. Does not belong here: which files are encrypted (see `landed`).

It is imported only when an encrypted file is met: fsspec takes time.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import fsspec

from orchestration.duckdb_files import extension_path, literal
from orchestration.encrypted_files import EncryptedReader, UnreadableEncryptionError

PROTOCOL = "kindred-landed"
_PREFIX = f"{PROTOCOL}://"
_numbers = count(1)


class _Offer:
    """A file that DuckDB may open, and what went wrong with it."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        with EncryptedReader(path, key) as reader:
            self.size, self.token = reader.size, reader.token
        self.failure: UnreadableEncryptionError | None = None


_offers: dict[str, _Offer] = {}


@contextmanager
def offered(con: duckdb.DuckDBPyConnection, path: Path, key: str) -> Iterator[str]:
    """The name under which the connection's readers find the file, as long as the context lasts.

    Raises UnreadableEncryptionError, also in the place of what DuckDB makes of one.
    """
    if not con.filesystem_is_registered(PROTOCOL):
        _prepare(con)
    offer = _Offer(path, key)
    # Another name for each content and reading: nothing that was kept of another one can be taken for it.
    name = f"{_PREFIX}{offer.token}-{next(_numbers)}"
    _offers[name] = offer
    try:
        yield name
    except Exception:
        if offer.failure is not None:
            raise offer.failure from None
        raise
    finally:
        del _offers[name]


def _prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Let the connection's database read encrypted files, and spill nothing of them in clear."""
    con.register_filesystem(_Decrypting())
    # It would keep the plain content in memory beyond the reading.
    con.execute("set enable_external_file_cache = false")
    if not con.execute("select current_setting('temp_file_encryption')").fetchall()[0][0]:
        con.execute(f"load {literal(str(extension_path()))}")
        con.execute("set temp_file_encryption = true")


class _Handle:
    """An open file. DuckDB's threads share it: each seeks and reads at once, or they read one after another by a lock of
    DuckDB's. The interpreter may change threads between a seek and its read, so each thread's seek is kept apart."""

    def __init__(self, offer: _Offer) -> None:
        self._offer = offer
        self._reader = EncryptedReader(offer.path, offer.key)
        self._position = 0
        self._sought: dict[int, tuple[int, int]] = {}
        # Raised by each read that no seek of its thread came before: older seeks are then nobody's.
        self._turn = 0

    def seek(self, position: int, whence: int = 0) -> int:
        """Where the next read of this thread begins."""
        self._position = position
        self._sought[threading.get_ident()] = (position, self._turn)
        return position

    def tell(self) -> int:
        """The position."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes, fewer only at the end: DuckDB does not count them."""
        position, turn = self._sought.pop(threading.get_ident(), (self._position, -1))
        if turn != self._turn:
            position = self._position
            self._turn += 1
        try:
            content = self._reader.read_at(position, self._offer.size if size < 0 else size)
        except UnreadableEncryptionError as error:
            self._offer.failure = error
            raise
        self._position = position + len(content)
        return content

    def flush(self) -> None:
        """Nothing is written."""

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


class _Decrypting(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """The files that are offered, each under its name, to be read."""

    protocol = PROTOCOL
    cachable = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(_PREFIX)

    def unstrip_protocol(self, name: str) -> str:
        """The full name."""
        return f"{_PREFIX}{self._strip_protocol(name)}"

    def open(self, path: str, mode: str = "rb", *_: Any, **__: Any) -> _Handle:
        """Open an offered file for reading."""
        if mode != "rb" or path not in _offers:
            raise FileNotFoundError(f"{path} is not offered for reading")
        return _Handle(_offers[path])

    def glob(self, path: str, *_: Any, **__: Any) -> list[str]:
        """The one file of that name."""
        return [path] if path in _offers else []

    def exists(self, path: str, **_: Any) -> bool:
        """Whether it is offered."""
        return path in _offers

    def isfile(self, path: str) -> bool:
        """Whether it is offered."""
        return path in _offers

    def size(self, path: str) -> int:
        """Bytes of the plain content."""
        return _offers[path].size

    def modified(self, path: str) -> datetime:
        """When it was written."""
        return datetime.fromtimestamp(_offers[path].path.stat().st_mtime, UTC)
