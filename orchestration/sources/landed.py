"""The one door to the files below landing: whatever reads or writes one does it here, plain or encrypted.

Belongs here: which folder has a key, opening and writing its files, giving them to DuckDB, encrypting and decrypting what
lies there. Does not belong here: the format (`orchestration.encrypted_files`), where the key comes from
(`orchestration.privacy.encryption`), and what is in the files.

An encrypted file keeps its name and is known by its first bytes. So plain and encrypted files stand side by side, a file is
swapped for its other form by one rename and is never there twice, and everything that names a file by its path (`_file`,
quarantine, decisions, erasure) goes on naming it so. Reading needs the key alone; whether new files are encrypted is the
setting's business.
"""

import gzip
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from orchestration.encrypted_files import (
    EncryptedReader,
    EncryptingWriter,
    UnreadableEncryptionError,
    is_encrypted,
)
from orchestration.errors import KindredError

if TYPE_CHECKING:
    import duckdb

KeySource = Callable[[], str]

CONVERTING = ".converting-"
"""In front of a file's name while its other form is written beside it."""
_CHUNK = 1 << 20


class LandingKeyError(UnreadableEncryptionError):
    """A file is encrypted, or is to be, and there is no key."""


@dataclass(frozen=True)
class _Folder:
    """A folder with a key."""

    key: KeySource
    encrypts: bool


# The folders of this process that have a key, and how to get it.
_folders: dict[Path, _Folder] = {}


def use_key(folder: Path, source: KeySource, *, encrypts: bool) -> None:
    """From now on encrypted files below the folder are read with this key, which is asked for when one is met.

    Args:
        encrypts: what is written there is encrypted, too.
    """
    _folders[folder.resolve()] = _Folder(source, encrypts)


def forget_key(folder: Path) -> None:
    """From now on the folder has no key in this process's eyes."""
    _folders.pop(folder.resolve(), None)


def encrypts(path: Path) -> bool:
    """Whether a file that is written there is encrypted."""
    folder = _folder_of(path)
    return folder is not None and folder.encrypts


# --- Reading ------------------------------------------------------------------------------------------------------------


def open_landed(path: Path) -> BinaryIO:
    """Open a file for reading its plain content, seekable.

    Raises:
        UnreadableEncryptionError: it is encrypted, and there is no key, another one, or it is damaged. The last may also
            come while reading.
        OSError: it cannot be opened.
    """
    if not is_encrypted(path):
        return path.open("rb")
    return io.BufferedReader(EncryptedReader(path, _key_of(path)), _CHUNK)


@contextmanager
def open_text(path: Path, encoding: str, errors: str = "strict") -> Iterator[IO[str]]:
    """Open a file for reading text; line ends stay as they are. Raises as `open_landed` does."""
    with open_landed(path) as file, io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="") as text:
        yield text


def read_bytes(path: Path) -> bytes:
    """The plain content of a small file. Raises as `open_landed` does."""
    with open_landed(path) as file:
        return file.read()


def size_of(path: Path) -> int:
    """Bytes of the plain content. Raises as `open_landed` does."""
    with open_landed(path) as file:
        return file.seek(0, os.SEEK_END)


def content_hash(path: Path) -> str:
    """SHA-256 of the plain content: encrypting a file does not change it. Raises as `open_landed` does."""
    with open_landed(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


@contextmanager
def given_to_duckdb(con: "duckdb.DuckDBPyConnection", path: Path) -> Iterator[str]:
    """The name under which DuckDB's readers find the file's plain content; it is decrypted in memory, a part at a time.

    Raises UnreadableEncryptionError, also in the place of what DuckDB makes of one.
    """
    if not is_encrypted(path):
        yield str(path)
        return
    from orchestration.sources.decrypting import offered

    with offered(con, path, _key_of(path)) as name:
        yield name


# --- Writing ------------------------------------------------------------------------------------------------------------


def create(path: Path, *, like: Path | None = None) -> BinaryIO:
    """Open a new file for writing from beginning to end: encrypted where files are, or where `like` is.

    An encrypted file is whole when it is closed. As a context, it is left unreadable when the block raises.

    Raises LandingKeyError, EncryptionKeyError: it is to be encrypted, and there is no fit key.
    """
    if encrypts(path) or (like is not None and is_encrypted(like)):
        return cast(BinaryIO, EncryptingWriter(path, _key_of(path)))
    return path.open("wb")


@contextmanager
def create_text(path: Path) -> Iterator[IO[str]]:
    """Open a new file for writing text in UTF-8; line ends stay as they are. Raises as `create` does."""
    with create(path) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        yield text


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file as a whole: a reader sees the old one or the new one. Raises as `create` does."""
    beside = path.with_name(f"{path.name}.new")
    with create(beside) as file:
        file.write(content)
    _flush(beside)
    beside.replace(path)


def copy_in(source: Path, target: Path) -> None:
    """Copy a file's plain content. Raises as `open_landed` and `create` do."""
    with open_landed(source) as file, create(target) as copy:
        while chunk := file.read(_CHUNK):
            copy.write(chunk)


@contextmanager
def workplace(like: Path) -> Iterator[Path]:
    """A folder for copies that are made while a file is read. For an encrypted file they are encrypted, too, under a key
    that only this process knows; the folder goes in any case."""
    with TemporaryDirectory(prefix="kindred-read-") as name:
        folder = Path(name)
        if is_encrypted(like):
            key = secrets.token_hex(32)
            use_key(folder, lambda: key, encrypts=True)
        try:
            yield folder
        finally:
            forget_key(folder)


@contextmanager
def unpacked(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading what is packed in it, if its name says that something is. Raises as `open_landed` does."""
    suffix = path.suffix.lower()
    with open_landed(path) as file:
        if suffix == ".gz":
            with gzip.open(file, "rb") as packed:
                yield cast(BinaryIO, packed)
        elif suffix == ".zst":
            import pyarrow as pa

            with pa.input_stream(file, compression="zstd") as stream:
                yield stream
        else:
            yield file


# --- Moving from one form to the other ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forms:
    """How many files of a landing folder are encrypted and how many are plain; empty ones count for neither."""

    encrypted: int
    plain: int


@dataclass(frozen=True)
class Converted:
    """What became of a landing folder's files."""

    files: int
    bytes: int
    left: tuple[Path, ...]
    """Links, and files that somebody was writing: they are as before."""


class ChangedMeanwhileError(KindredError):
    """A file was written to while it was encrypted or decrypted; it is as its writer left it."""


def forms(landing: Path) -> Forms:
    """Look at every file. Raises OSError."""
    found = [is_encrypted(path) for path in _files(landing)]
    return Forms(sum(found), len(found) - sum(found))


def check_key(landing: Path) -> None:
    """Open the newest encrypted file, if there is one. Raises UnreadableEncryptionError: no key, another one, or damage."""
    newest = next((path for path in reversed(_files(landing)) if is_encrypted(path)), None)
    if newest is not None:
        open_landed(newest).close()


def encrypt_file(path: Path) -> bool:
    """Put the encrypted form in a plain file's place. Returns False when there is nothing to do: it is a link, empty, or
    encrypted already.

    The new form is written beside, brought to the disk, read back and compared, and swapped in: an interruption leaves the
    whole plain file or the whole encrypted one.

    Raises:
        ChangedMeanwhileError: somebody was writing to it.
        EncryptionKeyError, LandingKeyError: there is no fit key.
        OSError: the disk is full; the file is as before.
    """
    if path.is_symlink() or not path.stat().st_size or is_encrypted(path):
        return False
    key = _key_of(path)
    _swap(path, lambda beside: cast(BinaryIO, EncryptingWriter(beside, key)))
    return True


def decrypt_file(path: Path) -> bool:
    """Put the plain form in an encrypted file's place. Returns and raises as `encrypt_file` does, and as `open_landed`."""
    if path.is_symlink() or not is_encrypted(path):
        return False
    _swap(path, _open_for_owner)
    return True


def convert(landing: Path, *, encrypted: bool) -> Converted:
    """Encrypt or decrypt every file below the folder, one by one; what is done already is left, so that it can go on.

    Raises as `encrypt_file` and `decrypt_file` do, except for files that change meanwhile: they are told.
    """
    clear_leftovers(landing)
    count = size = 0
    left = [path for path in landing.rglob("*") if path.is_symlink()]
    for path in _files(landing):
        try:
            if encrypt_file(path) if encrypted else decrypt_file(path):
                count += 1
                size += path.stat().st_size
        except ChangedMeanwhileError:
            left.append(path)
    return Converted(count, size, tuple(sorted(left)))


def clear_leftovers(landing: Path) -> None:
    """Remove what an interrupted conversion has left beside its file."""
    for path in landing.rglob(f"{CONVERTING}*"):
        path.unlink()


def _files(landing: Path) -> list[Path]:
    return sorted(
        path for path in landing.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_size
    )


def _swap(path: Path, writer: Callable[[Path], BinaryIO]) -> None:
    beside = path.with_name(f"{CONVERTING}{path.name}")
    before = path.stat()
    try:
        with open_landed(path) as source, writer(beside) as target:
            while chunk := source.read(_CHUNK):
                target.write(chunk)
        _flush(beside)
        if not _same(path, beside) or _version(path.stat()) != _version(before):
            raise ChangedMeanwhileError(
                f"{path} was written to while its other form was made; it is as its writer left it. Try again when the "
                "delivery is complete."
            )
        os.utime(beside, ns=(before.st_atime_ns, before.st_mtime_ns))
        beside.replace(path)
        _flush(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _same(one: Path, other: Path) -> bool:
    """Whether two files have the same plain content; asked of the disk, before one of them goes."""
    with open_landed(one) as first, open_landed(other) as second:
        while True:
            part = first.read(_CHUNK)
            if part != second.read(_CHUNK):
                return False
            if not part:
                return True


def _version(facts: os.stat_result) -> tuple[int, int, int]:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _open_for_owner(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "wb")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _folder_of(path: Path) -> _Folder | None:
    """The folder with a key that the file lies in; a link leads to where its file lies."""
    if not _folders:
        return None
    real = path.resolve()
    return next((_folders[parent] for parent in real.parents if parent in _folders), None)


def _key_of(path: Path) -> str:
    folder = _folder_of(path)
    if folder is None:
        raise LandingKeyError(
            f"{path} is encrypted, and lies outside of the landing folder whose key is known. Set KINDRED_DATA to the data "
            "folder that it is of, or decrypt it there with `kindred landing decrypt`."
        )
    try:
        return folder.key()
    except KindredError as error:
        raise LandingKeyError(f"{path} needs the key of the encrypted landing. {error}") from error
