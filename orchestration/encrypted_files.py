"""Files that are encrypted in chunks: written from beginning to end, read from any place.

Belongs here: the format, and telling a wrong key from a damaged file. Does not belong here: which files are encrypted and
where their key comes from (`orchestration.sources.landed`, `orchestration.privacy.encryption`), or DuckDB's own files,
which DuckDB encrypts itself (`orchestration.duckdb_files`).

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, CRYPTO 2015) with AES-256 in GCM, in the arrangement of Google Tink's AES-GCM-HKDF streaming AEAD, whose
security is shown in Hoang, Shen: Security of Streaming Encryption in Google's Tink Library, CCS 2020. The key of a file
comes from the configured one by HKDF-SHA256 (RFC 5869) with a random salt; the nonce of a chunk is a random prefix of 7
bytes, the chunk's number in 4 and one that says whether it is the last. So a chunk that is changed, left out, repeated, put
elsewhere, added or cut off fails its tag. A chunk is given out only when its tag is right.

    16 bytes  signature; it has a byte beyond ASCII and both line ends, so that no text file begins with it
     4 bytes  length of a chunk in clear, big endian
    32 bytes  salt
     7 bytes  prefix of the nonces
    16 bytes  check of the key: derived like it, so that a wrong key is told from a damaged file
    then      chunks of that length, the last one shorter or equal, each followed by its tag of 16 bytes

What the format does not see: a whole file put in the place of another that was made with the same key.
"""

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.errors import KindredError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SIGNATURE = b"\x89KINDRED ENC1\r\n\n"
CHUNK_BYTES = 1 << 16
TAG_BYTES = 16
_HEADER = struct.Struct(">16sI32s7s16s")
_KEY_BYTES = 32
_LONGEST_CHUNK = 1 << 24
_MOST_CHUNKS = 1 << 32
# Chunks that are read from the disk at once.
_AT_ONCE = 64


class UnreadableEncryptionError(KindredError):
    """An encrypted file cannot be read; the message names the file and the way out."""


class WrongKeyError(UnreadableEncryptionError):
    """The file was encrypted with another key."""


class DamagedFileError(UnreadableEncryptionError):
    """The file is not as it was written: changed, cut off, or put together of parts."""


def is_encrypted(path: Path) -> bool:
    """Whether the file is one of these, by its first bytes. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


@dataclass(frozen=True)
class _Header:
    """What stands before the chunks."""

    chunk_bytes: int
    salt: bytes
    prefix: bytes

    def pack(self, check: bytes) -> bytes:
        return _HEADER.pack(SIGNATURE, self.chunk_bytes, self.salt, self.prefix, check)

    def derive(self, key: str) -> tuple[bytes, bytes]:
        """The key of the chunks and the check of the key."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        # The length of a chunk is part of it: a header that was changed gives another key.
        info = b"kindred encrypted file 1" + struct.pack(">I", self.chunk_bytes) + self.prefix
        derived = HKDF(SHA256(), _KEY_BYTES + 16, self.salt, info).derive(key.encode())
        return derived[:_KEY_BYTES], derived[_KEY_BYTES:]

    def nonce(self, number: int, *, last: bool) -> bytes:
        return self.prefix + struct.pack(">IB", number, last)


def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


class EncryptingWriter(io.RawIOBase):
    """Writes a file from beginning to end. It is whole only after `close`; `abandon` leaves one that cannot be read.

    Used as a context it abandons the file when the block raises: half a file must not look like a whole one.
    """

    def __init__(self, path: Path, key: str, *, chunk_bytes: int = CHUNK_BYTES, mode: int = 0o600) -> None:
        super().__init__()
        self._header = _Header(chunk_bytes, os.urandom(32), os.urandom(7))
        secret, check = self._header.derive(key)
        self._cipher = _cipher(secret)
        self._waiting = bytearray()
        self._number = 0
        self._position = 0
        self._file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb", buffering=0)  # noqa: PTH123, SIM115
        self._write(self._header.pack(check))

    def writable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes written so far, in clear."""
        return self._position

    def fileno(self) -> int:
        """There is none to be had."""
        raise io.UnsupportedOperation("an encrypted file has no descriptor for its plain content")

    def write(self, data: Any) -> int:
        """Append bytes."""
        if self.closed:
            raise ValueError("write to a closed file")
        given = memoryview(data).cast("B")
        self._waiting += given
        self._position += len(given)
        size = self._header.chunk_bytes
        # One byte is kept back: only at the end is it known which chunk is the last.
        if len(self._waiting) > size:
            whole = (len(self._waiting) - 1) // size
            with memoryview(self._waiting) as waiting:
                sealed = [self._sealed(waiting[i * size : (i + 1) * size], last=False) for i in range(whole)]
            del self._waiting[: whole * size]
            self._write(b"".join(sealed))
        return len(given)

    def close(self) -> None:
        """Write the last chunk and bring everything to the disk."""
        if self.closed:
            return
        try:
            if not self._file.closed:
                self._write(self._sealed(self._waiting, last=True))
                os.fsync(self._file.fileno())
        finally:
            self._file.close()
            super().close()

    def abandon(self) -> None:
        """Close without the last chunk."""
        self._file.close()
        self.close()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def __del__(self) -> None:
        # The base class would close, and so finish, a file that was forgotten.
        if not self.closed:
            self.abandon()

    def _sealed(self, content: "memoryview | bytearray", *, last: bool) -> bytes:
        if self._number >= _MOST_CHUNKS:
            raise OSError("the file is too large to be encrypted in one piece")
        sealed = self._cipher.encrypt(self._header.nonce(self._number, last=last), content, None)
        self._number += 1
        return sealed

    def _write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]


class EncryptedReader(io.RawIOBase):
    """The content of an encrypted file, seekable; a few chunks of it are in memory at a time.

    Raises:
        WrongKeyError: at once.
        DamagedFileError: at once where the header or the end is damaged, otherwise by the read that comes upon it.
    """

    def __init__(self, path: Path, key: str) -> None:
        super().__init__()
        # Of a link, errors name the file that it leads to.
        self.path = path.resolve()
        self._file = path.open("rb", buffering=0)
        try:
            self._begin(key)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, key: str) -> None:
        head = self._file.read(_HEADER.size) or b""
        if len(head) < _HEADER.size or not head.startswith(SIGNATURE):
            raise self._damaged("its beginning is cut off")
        _, chunk_bytes, salt, prefix, check = _HEADER.unpack(head)
        if not 0 < chunk_bytes <= _LONGEST_CHUNK:
            raise self._damaged("its header is damaged")
        self._header = _Header(chunk_bytes, salt, prefix)
        self.token = salt.hex()
        """Tells this content from any other: a file that is written anew has another one."""
        secret, expected = self._header.derive(key)
        if check != expected:
            raise WrongKeyError(
                f"{self.path} was encrypted with another key, or its header is damaged. Give the key it was made with, in "
                "KINDRED_ENCRYPTION_KEY or by KINDRED_ENCRYPTION_KEY_COMMAND; a lost key cannot be replaced: then delete "
                "the file and ask its sender for it again."
            )
        self._cipher = _cipher(secret)
        body = os.fstat(self._file.fileno()).st_size - _HEADER.size
        self._chunks, rest = divmod(body, chunk_bytes + TAG_BYTES)
        if rest:
            self._chunks += 1
        if self._chunks == 0 or 0 < rest < TAG_BYTES or (rest == TAG_BYTES and self._chunks > 1):
            raise self._damaged("it is cut off")
        self.size = body - self._chunks * TAG_BYTES
        """Bytes of the content."""
        self._position = 0
        self._kept: tuple[int, bytes] = (-1, b"")
        # The last chunk says that nothing was cut off or added.
        self._chunk(self._chunks - 1)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The position in the content."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative seek position {base + offset}")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as there is content."""
        target = memoryview(buffer).cast("B")
        done = 0
        for part in self._parts(self._position, len(target)):
            target[done : done + len(part)] = part
            done += len(part)
        self._position += done
        return done

    def read(self, size: int | None = -1) -> bytes:
        """`size` bytes, fewer only at the end; all that are left without one."""
        wanted = self.size - self._position if size is None or size < 0 else size
        content = self.read_at(self._position, wanted)
        self._position += len(content)
        return content

    def readall(self) -> bytes:
        """All that is left."""
        return self.read()

    def read_at(self, position: int, size: int) -> bytes:
        """`size` bytes from a position, fewer only at the end. Several threads may ask at once."""
        return b"".join(self._parts(position, size))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _parts(self, position: int, wanted: int) -> list["memoryview | bytes"]:
        if self.closed:
            raise ValueError("read of a closed file")
        wanted = min(wanted, self.size - position)
        if wanted <= 0:
            return []
        length = self._header.chunk_bytes
        first, begin = divmod(position, length)
        last, end = divmod(position + wanted - 1, length)
        pieces: list[memoryview | bytes] = [self._chunk(first)] if first == last else list(self._range(first, last))
        pieces[-1] = memoryview(pieces[-1])[: end + 1]
        pieces[0] = memoryview(pieces[0])[begin:]
        return pieces

    def _range(self, first: int, last: int) -> Iterator[bytes]:
        sealed_length = self._header.chunk_bytes + TAG_BYTES
        content = b""
        for start in range(first, last + 1, _AT_ONCE):
            count = min(_AT_ONCE, last + 1 - start)
            sealed = memoryview(self._sealed(start, count))
            for i in range(count):
                content = self._opened(start + i, sealed[i * sealed_length : (i + 1) * sealed_length])
                yield content
        self._kept = (last, content)

    def _chunk(self, number: int) -> bytes:
        """One chunk; the one used last is kept, for readers that take a little at a time."""
        kept, content = self._kept
        if kept != number:
            content = self._opened(number, self._sealed(number, 1))
            self._kept = (number, content)
        return content

    def _sealed(self, number: int, count: int) -> bytes:
        sealed_length = self._header.chunk_bytes + TAG_BYTES
        return os.pread(self._file.fileno(), count * sealed_length, _HEADER.size + number * sealed_length)

    def _opened(self, number: int, sealed: "memoryview | bytes") -> bytes:
        from cryptography.exceptions import InvalidTag

        nonce = self._header.nonce(number, last=number == self._chunks - 1)
        try:
            return self._cipher.decrypt(nonce, sealed, None)
        except (InvalidTag, ValueError):
            raise self._damaged(f"what stands from byte {number * self._header.chunk_bytes:,} on is wrong") from None

    def _damaged(self, how: str) -> DamagedFileError:
        return DamagedFileError(
            f"{self.path} is encrypted and not as it was written: {how}. Nothing of it is used. Put it back from a backup, or "
            "delete it and ask its sender for it again."
        )
