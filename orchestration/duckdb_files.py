"""DuckDB files, plain or encrypted: opening, attaching, copying without what was deleted, changing the key.

Belongs here: what DuckDB needs for a file with a key (the extension, ATTACH with the key, temporary files), and rewriting
a file. Does not belong here: where a key comes from (`orchestration.privacy.encryption`), who may hold the working file
when (`orchestration.warehouse`), or any query.

DuckDB encrypts with AES-256 in GCM: every block and every entry of the write-ahead log, each with a tag of its own, so
that a changed byte is refused as a wrong key is. It writes such files only with OpenSSL, which comes with the extension
httpfs; the extension lies in the package `duckdb-extension-httpfs`, so that nothing is downloaded. Reading needs the key
alone. A key is given in ATTACH, never in a connection string; it is never put into an error or a log here.
"""

import hashlib
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import duckdb

from orchestration.errors import KindredError

KeySource = Callable[[], str]
Change = Callable[[duckdb.DuckDBPyConnection], object]

_MAGIC_OFFSET, _FLAGS_OFFSET = 8, 20
_ENCRYPTED_FLAG = 1
_SUFFIX = ".rewriting"

# The files of this process that have a key, and how to get it: a path is how the whole of Kindred names a database.
_keys: dict[Path, KeySource] = {}


class EncryptionError(KindredError):
    """A file cannot be opened or written as it should be: key, encryption or the extension are not what is needed."""


def use_key(path: Path, source: KeySource) -> None:
    """From now on the file at `path` is encrypted in this process's eyes; the key is asked for when it is opened."""
    _keys[_absolute(path)] = source


def forget_key(path: Path) -> None:
    """From now on the file at `path` is a plain one in this process's eyes."""
    _keys.pop(_absolute(path), None)


def key_of(path: Path) -> str | None:
    """The key of the file at `path`, None for a plain one. Raises whatever its source raises."""
    source = _keys.get(_absolute(path))
    return None if source is None else source()


def is_encrypted(path: Path) -> bool:
    """Whether the file is an encrypted DuckDB file, as its header says (main header, first flag). False without a file.

    The header lies in clear: 8 bytes of checksum, `DUCK`, the storage version and four flags of 8 bytes each.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_FLAGS_OFFSET + 8)
    except FileNotFoundError:
        return False
    if len(header) < _FLAGS_OFFSET + 8 or header[_MAGIC_OFFSET : _MAGIC_OFFSET + 4] != b"DUCK":
        return False
    (flags,) = struct.unpack_from("<Q", header, _FLAGS_OFFSET)
    return bool(flags & _ENCRYPTED_FLAG)


def extension_path() -> Path:
    """The file of the extension httpfs for the installed DuckDB.

    Raises:
        EncryptionError: the package is missing, or was built for another DuckDB.
    """
    mend = "Install what is locked: `rm -r .venv && make setup`."
    try:
        import duckdb_extension_httpfs
    except ImportError as error:
        raise EncryptionError(
            f"Encrypted files need DuckDB's extension httpfs, and the package duckdb-extension-httpfs is missing. {mend}"
        ) from error
    folder = Path(str(duckdb_extension_httpfs.__file__)).parent / "extensions" / f"v{duckdb.__version__}"
    path = folder / "httpfs.duckdb_extension"
    if not path.exists():
        raise EncryptionError(
            f"Encrypted files need DuckDB's extension httpfs, and the installed one is not for DuckDB {duckdb.__version__}. {mend}"
        )
    return path


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def attach(
    connection: duckdb.DuckDBPyConnection, path: Path, alias: str, *, key: str | None = None, read_only: bool = False
) -> None:
    """Attach a file under a name; with a key as an encrypted one. A file that is not there is made, unless `read_only`.

    Raises:
        EncryptionError: a wrong key, a key for a plain file, none for an encrypted one, or no extension to write with.
        duckdb.Error: anything else, such as a lock.
    """
    options = ["read_only"] if read_only else []
    if key is not None:
        if path.exists() and path.stat().st_size and not is_encrypted(path):
            raise EncryptionError(f"{path} is a plain file, and a key was given for it.")
        if not read_only:
            connection.execute(f"load {literal(str(extension_path()))}")
        options.append(f"encryption_key {literal(key)}")
    elif is_encrypted(path):
        raise EncryptionError(f"{path} is encrypted, and no key was given for it.")
    statement = f"attach if not exists {literal(str(path))} as {alias}"
    try:
        connection.execute(f"{statement} ({', '.join(options)})" if options else statement)
    except duckdb.InvalidInputException as error:
        if "encryption key" not in str(error):
            raise
        # Not chained: what DuckDB says of a statement may quote it, and with it the key.
        raise EncryptionError(
            f"{path} was encrypted with another key. Give the key it was made with, in KINDRED_ENCRYPTION_KEY or by "
            "KINDRED_ENCRYPTION_KEY_COMMAND. A lost key cannot be replaced: see docs/decisions/0015-encryption-at-rest.md."
        ) from None


def connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Open any DuckDB file of Kindred: with its key when `use_key` knows one.

    The database has the name of the file without its ending, whichever way it is opened, and is the current one. An
    encrypted file is attached to an in-memory database that all connections of this process to the file share, as they
    share the database of a plain file; so two connections see each other's commits and none is refused for the other.

    Raises:
        EncryptionError: see `attach`.
        duckdb.Error: the file cannot be opened.
    """
    key = key_of(path)
    if key is None:
        if is_encrypted(path):
            raise EncryptionError(f"{path} is encrypted, and no key was given for it.")
        return duckdb.connect(str(path), read_only=read_only)
    shared = hashlib.sha256(f"{_absolute(path)}{read_only}".encode()).hexdigest()[:16]
    # Temporary files of an in-memory database would otherwise lie in the current folder.
    connection = duckdb.connect(f":memory:kindred-{shared}", config=encrypted_config(path))
    try:
        attach(connection, path, alias_of(path), key=key, read_only=read_only)
        connection.execute(f"use {alias_of(path)}")
    except BaseException:
        connection.close()
        raise
    return connection


def encrypted_config(path: Path) -> dict[str, str | bool | int | float | list[str]]:
    """DuckDB's settings for work on an encrypted file: what does not fit into memory is spilled beside it, encrypted."""
    return {"temp_directory": f"{path}.tmp", "temp_file_encryption": "true"}


def alias_of(path: Path) -> str:
    """The name under which a file is attached: as DuckDB names the database of a plain file, quoted."""
    return '"' + path.name.lstrip(".").split(".")[0].replace('"', '""') + '"'


@contextmanager
def opened(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """`connect`, and close whatever happens."""
    connection = connect(path, read_only=read_only)
    try:
        yield connection
    finally:
        connection.close()


def rewrite(path: Path, change: Change | None = None) -> None:
    """Write the file anew beside itself, and swap it in: what was deleted is not in the new file's bytes.

    All schemas, tables, views, macros, sequences, indexes, constraints, comments and the order of rows stay. A file with
    a key (`use_key`) stays encrypted, with that key. Permissions stay. Readers who hold the old file keep it.

    Args:
        path: a file that no other connection of this process holds open, and that nobody writes meanwhile.
        change: what to do to the contents before they are copied, such as deleting a person. It is given a connection
            to a private copy of the file, as `connect` opens it; the old file is untouched until the swap, so that a
            failure, of the change too, leaves everything as it was. Without it the old file is only read.

    Raises:
        EncryptionError: see `attach`.
        duckdb.Error, OSError: the disk is full, the file is locked. The old file is as it was.
    """
    _swap(path, change, old_key=key_of(path), new_key=key_of(path))


def encrypt(path: Path, key: str) -> None:
    """Make an encrypted file of a plain one, in its place. Raises as `rewrite` does."""
    _swap(path, None, old_key=None, new_key=key)


def decrypt(path: Path, key: str) -> None:
    """Make a plain file of an encrypted one, in its place. Raises as `rewrite` does."""
    _swap(path, None, old_key=key, new_key=None)


def copy(source: Path, target: Path, *, source_key: str | None, target_key: str | None) -> None:
    """Copy all that is in one file into a new one. Raises as `rewrite` does; `target` is then for the caller to remove."""
    with duckdb.connect(config=encrypted_config(target)) as connection:
        name = alias_of(source)
        attach(connection, source, name, key=source_key, read_only=not _log_of(source).exists())
        attach(connection, target, "rewritten", key=target_key)
        # To try a dictionary on every column is a quarter of the work. Without, the file is 1.4 times as large, until the
        # tables in it are built anew.
        connection.execute("set disabled_compression_methods = 'dictionary'")
        connection.execute(f"copy from database {name} to rewritten")
        connection.execute("checkpoint rewritten")
        connection.execute("detach rewritten")


def _swap(path: Path, change: Change | None, *, old_key: str | None, new_key: str | None) -> None:
    if not path.exists():
        raise FileNotFoundError(f"There is no DuckDB file at {path}.")
    _remove_leftovers(path)
    # The stem stays, so that the private copy's database has the name that the file's views and the change expect.
    workplace = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex[:8]}{_SUFFIX}")
    workplace.mkdir(mode=0o700)
    try:
        source, target = path, workplace / f"new-{path.name}"
        if change is not None:
            source = workplace / path.name
            shutil.copyfile(path, source)
            if _log_of(path).exists():
                shutil.copyfile(_log_of(path), _log_of(source))
            _apply(change, source, old_key)
        copy(source, target, source_key=old_key, target_key=new_key)
        target.chmod(path.stat().st_mode & 0o777)
        _flush(target)
        target.replace(path)
        _log_of(path).unlink(missing_ok=True)
        _flush(path.parent)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _apply(change: Change, path: Path, key: str | None) -> None:
    if key is not None:
        use_key(path, lambda: key)
    try:
        with opened(path) as connection:
            change(connection)
            connection.execute("checkpoint")
    finally:
        forget_key(path)


def _remove_leftovers(path: Path) -> None:
    """Remove what a killed process left: it holds what the rewriting was to remove."""
    for folder in path.parent.glob(f".{path.name}.*{_SUFFIX}"):
        owner = folder.name.removeprefix(f".{path.name}.").split("-")[0]
        alive = False
        with suppress(ProcessLookupError, ValueError):
            os.kill(int(owner), 0)
            alive = True
        if not alive:
            shutil.rmtree(folder, ignore_errors=True)


def _log_of(path: Path) -> Path:
    """The write-ahead log that DuckDB keeps beside a file until the file is closed."""
    return path.with_name(path.name + ".wal")


def _absolute(path: Path) -> Path:
    return path.resolve()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
