"""Taking rows out of a landed file and leaving every other row as it was.

Belongs here: rewriting CSV, JSON Lines and Parquet, plain or compressed, beside the file and swapping it in. Does not
belong here: which rows (see `closure` and `suppression`), and reading rows (see `orchestration.sources.read`, whose
numbering of rows this follows).

Lines of text are copied byte for byte: dialect, encoding, byte order mark and line ends stay. Parquet keeps its schema,
its compression and its row groups. An encrypted file stays encrypted.
"""

import codecs
import errno
import gzip
import hashlib
import io
import os
import shutil
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from orchestration.privacy.errors import ErasureError
from orchestration.sources.compressed import is_compressed
from orchestration.sources.landed import create, open_landed, unpacked
from orchestration.sources.read_csv import ends_inside
from orchestration.sources.servers import FileServer

# In front of the name, so that its ending still says how the file is packed.
BESIDE = ".erasing-"
# An empty file would be taken for a delivery that broke off.
_NOTHING = b"\n"
_BATCH = 8 << 20
_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def written_beside(path: Path, server: FileServer, rows: Collection[int], broken: Collection[int] = ()) -> Path:
    """Write the file without some rows to a hidden file beside it, and answer that file.

    Args:
        rows: 1-based numbers as `read_file` gives them (a header counts).
        broken: numbers of lines whose quote is never closed: each is one line, whatever its quotes say.

    Raises ErasureError when the disk is full or cannot be written; the file is then as before.
    """
    beside = path.with_name(f"{BESIDE}{path.name}")
    try:
        if server.format == "parquet":
            _write_parquet(path, beside, set(rows))
        else:
            _write_text(path, beside, server, set(rows), set(broken))
        shutil.copymode(path, beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(error, path.name) from error
        raise
    return beside


def has_lines(server: FileServer) -> bool:
    """Whether each row of the file is a line of its own, which can be counted and compared without being understood."""
    return server.format == "jsonl" and not _is_wide(server.encoding)


def lines_fingerprint(path: Path, without: Collection[int]) -> tuple[int, str]:
    """How many lines there are, and the SHA-256 of all that they say.

    Args:
        without: 1-based numbers of lines that are left out, as if the file were without them.
    """
    left_out = sorted(without)
    count, digest = 0, hashlib.sha256()
    with _reading(path) as source:
        for first, lines in _batches(source):
            begin, end = bisect_left(left_out, first), bisect_left(left_out, first + len(lines))
            for number in reversed(left_out[begin:end]):
                del lines[number - first]
            digest.update(b"".join(lines))
            count += len(lines)
    if not count:
        digest.update(_NOTHING)
    return max(count, 1), digest.hexdigest()


def disk_error(error: OSError, what: str) -> ErasureError:
    """The message for a disk that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return ErasureError(
            f"the disk is full: {what} could not be rewritten and is as before. The request stays open and nothing is "
            "certified. Make room (a rewrite needs as much again as the largest file) and run "
            "`kindred erase --resume`."
        )
    return ErasureError(
        f"{what} could not be rewritten ({error.strerror or error}). The request stays open and nothing is certified. "
        "Mend that and run `kindred erase --resume`."
    )


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    with unpacked(path) as content:
        # What unpacks Zstandard has no lines.
        yield io.BytesIO(content.read()) if path.suffix.lower() == ".zst" else content


@contextmanager
def _writing(path: Path, like: Path) -> Iterator[Any]:
    with create(path, like=like) as plain:
        if not is_compressed(like):
            yield plain
        elif like.suffix.lower() == ".gz":
            with gzip.GzipFile(filename="", fileobj=plain, mode="wb", mtime=0) as packed:
                yield packed
        else:
            import pyarrow as pa

            with pa.output_stream(plain, compression="zstd") as stream:
                yield stream


def _write_text(path: Path, beside: Path, server: FileServer, rows: set[int], broken: set[int]) -> None:
    with _reading(path) as source, _writing(beside, path) as target:
        lines, encode = source, None
        if _is_wide(server.encoding):
            content, encode = _as_utf8(source.read(), server.encoding)
            lines = io.BytesIO(content)
        written = False
        for kept in _kept(lines, server, rows, broken):
            target.write(encode(kept) if encode else kept)
            written = True
        if not written:
            target.write(encode(_NOTHING) if encode else _NOTHING)


def _kept(source: IO[bytes], server: FileServer, rows: set[int], broken: set[int]) -> Iterator[bytes]:
    """The content without the rows, in pieces."""
    if server.format == "csv":
        yield from (record for number, record in _csv_records(source, server, broken) if number not in rows)
        return
    for first, lines in _batches(source):
        if not rows.isdisjoint(range(first, first + len(lines))):
            lines = [line for number, line in enumerate(lines, first) if number not in rows]
        if lines:
            yield b"".join(lines)


def _batches(source: IO[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """The lines, many at a time, with the number of the first."""
    following = 1
    while lines := source.readlines(_BATCH):
        first, following = following, following + len(lines)
        yield first, lines


def _is_wide(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def _as_utf8(content: bytes, encoding: str) -> tuple[bytes, Callable[[bytes], bytes]]:
    """The content of a two- or four-byte encoding, and how to write a part of it back."""
    name = codecs.lookup(encoding).name
    if name == "utf-16":
        name = "utf-16-be" if content.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
    elif name == "utf-32":
        name = "utf-32-be" if content.startswith(codecs.BOM_UTF32_BE) else "utf-32-le"
    return content.decode(name).encode(), lambda part: part.decode().encode(name)


def _csv_records(lines: Iterable[bytes], server: FileServer, broken: set[int]) -> Iterator[tuple[int, bytes]]:
    """The file's records with their numbers; blank lines go with 0, because no reader counts them."""
    number, inside = 0, False
    parts: list[bytes] = []
    quote = server.quote.encode()
    for line in lines:
        if not parts:
            if not line.strip(b"\r\n"):
                yield 0, line
                continue
            number += 1
            start = line[len(codecs.BOM_UTF8) :] if number == 1 and line.startswith(codecs.BOM_UTF8) else line
            inside = quote in line and number not in broken and ends_inside(start, False, server)
        else:
            inside = ends_inside(line, True, server)
        parts.append(line)
        if not inside:
            yield number, b"".join(parts)
            parts = []
    if parts:
        yield number, b"".join(parts)


def _write_parquet(path: Path, beside: Path, rows: set[int]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_landed(path) as content, pq.ParquetFile(content) as source, create(beside, like=path) as target:
        metadata = source.metadata
        codec = metadata.row_group(0).column(0).compression if metadata.num_row_groups else "SNAPPY"
        schema = source.schema_arrow
        with pq.ParquetWriter(target, schema, compression=codec if codec != "UNCOMPRESSED" else "NONE") as writer:
            first = 1
            for group in range(metadata.num_row_groups):
                table = source.read_row_group(group)
                kept = [number not in rows for number in range(first, first + table.num_rows)]
                first += table.num_rows
                left = table.filter(pa.array(kept, pa.bool_()))
                # A dictionary would keep the values of rows that are gone.
                for place, column in enumerate(left.schema):
                    if pa.types.is_dictionary(column.type):
                        plain = left.column(place).cast(column.type.value_type)
                        left = left.set_column(place, column, plain.dictionary_encode().cast(column.type))
                if left.num_rows or group == metadata.num_row_groups - 1:
                    writer.write_table(left)
