"""The search for leftovers: every table and every file of the data folder, for a person's distinctive values.

Belongs here: opening what lies there (databases, Parquet, compressed and UTF-16 files) and saying where something was
found. Does not belong here: removing it, and which values are searched (see `traces`).
"""

import codecs
import gzip
import sqlite3
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from orchestration.duckdb_files import is_encrypted, opened
from orchestration.privacy.adjacent_cells import across_cells
from orchestration.privacy.namesakes import Namesakes
from orchestration.privacy.relations import ENDED_IDS, PERSON_SCHEMAS, Relation, relations
from orchestration.privacy.traces import NOBODY, Traces, spellings, values_only
from orchestration.sources.landed import given_to_duckdb, open_landed, read_bytes
from orchestration.sources.names import quote

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_CHUNK = 8 << 20
_OVERLAP = 4096
_TEXT_IN_JSON = r'"((?:[^"\\]|\\.)*)"'
_TABULAR = (".duckdb",)
_SOUGHT = "sought"
_CELLS = 100_000


@dataclass(frozen=True)
class Finding:
    """Something of the person that is still there: a place, never the value."""

    where: str
    count: int

    def __str__(self) -> str:
        return f"{self.where} ({self.count})"


@dataclass(frozen=True)
class ScanResult:
    """What was looked at, and what was found."""

    findings: tuple[Finding, ...]
    values: int
    tables: int
    files: int
    bytes: int


def scan(
    data: Path,
    traces: Traces,
    *,
    leave_out: Iterable[Path] = (),
    ended_ids: Collection[str] = (),
    namesakes: Callable[[Collection[str]], Namesakes] = lambda _: NOBODY,
) -> ScanResult:
    """Search everything below the data folder.

    Args:
        leave_out: folders and files that are not searched: the request's own working folder, the ledger's audit chain.
        ended_ids: customer ids, which may stand in the tables that remember ids and nowhere else.
        namesakes: the longer values of others in which these values stand; asked when something was found.
    """
    omitted = [path.resolve() for path in leave_out]
    paths = [
        path
        for path in sorted(data.rglob("*"))
        if path.is_file() and not path.is_symlink() and not any(path.resolve().is_relative_to(item) for item in omitted)
    ]
    findings = _found_in_names(paths, data, traces)
    allowed = frozenset(written for value in ended_ids for written in spellings(value))
    with ThreadPoolExecutor(max_workers=1) as pool:
        # DuckDB searches tables while Python searches bytes.
        tables = pool.submit(_found_in_tables, paths, data, traces, ended_ids)
        suspects = _found_in_files(paths, traces, NOBODY, allowed)
        found, counted = tables.result()
    findings += found
    if suspects:
        met = traces.values_of(set().union(*suspects.values()))
        others = namesakes(met)
        left = _found_in_files(sorted(suspects), Traces(frozenset(met)), others, allowed)
        suspects = {
            path: alone
            for path, values in left.items()
            if (alone := values - across_cells(path, values, others) if path.suffix in _TABULAR else values)
        }
    findings += [Finding(path.relative_to(data).as_posix(), len(values)) for path, values in suspects.items()]
    size = sum(path.stat().st_size for path in paths)
    return ScanResult(tuple(findings), len(traces.values), counted, len(paths), size)


def _found_in_names(paths: Iterable[Path], data: Path, traces: Traces) -> list[Finding]:
    named = ((path, traces.found_in(path.relative_to(data).as_posix().encode())) for path in paths)
    return [
        Finding(f"the name of a file in {path.parent.relative_to(data).as_posix()}/", len(values))
        for path, values in named
        if values
    ]


def _found_in_tables(
    paths: Iterable[Path], data: Path, traces: Traces, ended_ids: Collection[str]
) -> tuple[list[Finding], int]:
    findings: list[Finding] = []
    tables = 0
    for path in paths:
        if path.suffix in _TABULAR:
            with opened(path, read_only=True) as con:
                found, count = scan_database(con, traces, path.relative_to(data).as_posix(), ended_ids)
            tables += count
            findings += found
    return findings, tables


def _found_in_files(
    paths: Iterable[Path], traces: Traces, others: Namesakes, allowed: Collection[bytes]
) -> dict[Path, set[bytes]]:
    """What stands in the files' bytes, by file: as whole words in texts, anywhere in what is binary.

    Args:
        allowed: what may stand in the bytes of databases, whose tables are searched one by one.
    """
    found: dict[Path, set[bytes]] = {}

    def look(part: Part) -> set[bytes]:
        return traces.found_in(part.content, others) if part.is_text else traces.found_inside(part.content, others)

    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting: deque[tuple[Path, Future[set[bytes]]]] = deque()

        def take() -> None:
            path, future = waiting.popleft()
            if hits := future.result() - (frozenset(allowed) if path.suffix in _TABULAR else frozenset()):
                found.setdefault(path, set()).update(hits)

        for path in paths:
            for part in _parts_of(path):
                waiting.append((path, pool.submit(look, part)))
                if len(waiting) > 4:
                    take()
        while waiting:
            take()
    return found


def _parts_of(path: Path) -> Iterator["Part"]:
    if path.suffix not in _TABULAR:
        yield from readable(path)
    elif not is_encrypted(path):
        with path.open("rb") as file:
            yield from _bytes_of(file)


def scan_database(
    con: "duckdb.DuckDBPyConnection", traces: Traces, label: str, ended_ids: Collection[str] = ()
) -> tuple[list[Finding], int]:
    """Search every text column of every table of an open database, documents inside too.

    Where people are, a cell is the person's when it is a value of theirs; in what a run noted of itself, also when one
    stands in it as whole words.
    """
    import pyarrow as pa

    findings = []
    # Those that remember ids come last, so that the values are registered twice rather than for each table.
    found = sorted(relations(con), key=lambda item: item.label in ENDED_IDS)
    registered = None
    for item in found:
        without = item.label in ENDED_IDS
        if registered is not without:
            values = sorted(traces.values - set(ended_ids) if without else traces.values)
            con.register("searched_values", pa.table({_SOUGHT: pa.array(values, pa.string())}))
            registered = without
        count = sum(con.execute(query).fetchall()[0][0] for query in _queries(item))
        if item.schema not in PERSON_SCHEMAS and item.condition("held") is None:
            count = max(count, len(_quoted(con, traces, item)))
        if count:
            findings.append(Finding(f"{label} {item.label}", count))
    if registered is not None:
        con.unregister("searched_values")
    return findings, len(found)


def _quoted(con: "duckdb.DuckDBPyConnection", traces: Traces, item: Relation) -> set[bytes]:
    """What a message quotes."""
    found: set[bytes] = set()
    for name in item.texts:
        rows = con.execute(f"select distinct {quote(name)}::varchar from {item.sql} where {quote(name)} is not null")
        while cells := rows.fetchmany(100_000):
            found |= traces.found_in("\n".join(cell for (cell,) in cells).encode(errors="surrogatepass"))
    return found


def _queries(item: Relation) -> Iterator[str]:
    plain = [quote(name) for name in item.texts if item.columns[name] == "VARCHAR"]
    nested = [quote(name) for name in item.texts if item.columns[name] != "VARCHAR"]
    lists = [quote(name) for name, kind in item.columns.items() if kind == "VARCHAR[]"]
    met = f"semi join searched_values on found.value = searched_values.{_SOUGHT}"
    if plain:
        # Column by column: to join the unnested list of all of them takes twice as long.
        counts = (
            f"select count(*) as n from (select {name} as value from {item.sql}) as found {met}" for name in plain
        )
        yield f"select sum(n)::bigint from ({' union all '.join(counts)})"
    for name in lists:
        yield f"select count(*) from (select unnest({name}) as value from {item.sql}) as found {met}"
    for name in nested:
        yield (
            f"select count(*) from (select unnest(regexp_extract_all({values_only('document')}, '{_TEXT_IN_JSON}', 1)) as value "
            # Most documents are said again and again, and a regular expression costs more than finding that out.
            f"from (select distinct {name} as document from {item.sql})) as found {met}"
        )


@dataclass(frozen=True)
class Part:
    """Some of a file."""

    content: bytes
    is_text: bool = True


def readable(path: Path) -> Iterator[Part]:
    """The content of a file in parts, as UTF-8 where it can be: decrypted, unpacked, decoded, and the cells of what is
    tabular. Raises UnreadableEncryptionError: nobody can say what is in the file."""
    with open_landed(path) as file:
        head = file.read(16)
    if head.startswith(b"\x1f\x8b"):
        with open_landed(path) as file, gzip.open(file, "rb") as packed:
            yield from _parts(packed)  # type: ignore[arg-type]
    elif head.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow as pa

        with open_landed(path) as file, pa.input_stream(file, compression="zstd") as stream:
            yield from _parts(stream)
    elif head.startswith(b"PAR1"):
        yield from map(Part, _parquet_cells(path))
    elif head.startswith(b"SQLite format 3"):
        with path.open("rb") as file:
            yield from _bytes_of(file)
        yield from map(Part, _packed_cells(path))
    elif encoding := _wide_encoding(head):
        yield Part(read_bytes(path).decode(encoding, errors="replace").encode())
    else:
        with open_landed(path) as file:
            yield from _bytes_of(file) if b"\0" in head else _parts(file)


def _wide_encoding(head: bytes) -> str | None:
    """UTF-16, told by its mark or by every other byte of the first letters."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return {(True, False): "utf-16-be", (False, True): "utf-16-le"}.get(
        (head[0:8:2] == b"\0" * 4, head[1:8:2] == b"\0" * 4)
    )


def _parts(file: IO[bytes]) -> Iterator[Part]:
    """A text in parts that begin and end between words, each with the end of the one before."""
    kept = b""
    while chunk := bytes(file.read(_CHUNK)):
        content = kept + chunk
        end = _between_words(content, len(content))
        yield Part(content[:end])
        kept = content[_between_words(content, max(end - _OVERLAP, 0)) :]
    if kept:
        yield Part(kept)


def _between_words(content: bytes, end: int) -> int:
    """The last place up to `end` at which no word is cut, or `end` when there is none nearby."""
    start = max(end - _OVERLAP, 0)
    return max((content.rfind(sign, start, end) for sign in (b"\n", b" ", b",", b'"')), default=-1) + 1 or end


def _bytes_of(file: IO[bytes]) -> Iterator[Part]:
    tail = b""
    while chunk := bytes(file.read(_CHUNK)):
        yield Part(tail + chunk, is_text=False)
        tail = chunk[-_OVERLAP:]


def _parquet_cells(path: Path) -> Iterator[bytes]:
    import duckdb

    with duckdb.connect() as con, given_to_duckdb(con, path) as place:
        columns = [
            row[0]
            for row in con.execute("describe select * from read_parquet(?)", [place]).fetchall()
            if row[1].startswith(("VARCHAR", "JSON", "STRUCT", "MAP", "BLOB"))
        ]
        for name in columns:
            cells = con.execute(
                f"select {quote(name)}::varchar || chr(10) from read_parquet(?) where {quote(name)} is not null",
                [place],
            )
            # The cells' bytes as they lie one behind the other: a Python object for each takes ten times as long.
            for batch in cells.to_arrow_reader(_CELLS):
                yield _bytes_of_cells(batch.column(0))


def _bytes_of_cells(cells: "pa.Array") -> bytes:
    import numpy as np

    _, offsets, content = cells.buffers()
    if content is None:
        return b""
    width = "<i8" if str(cells.type).startswith("large") else "<i4"
    places = np.frombuffer(offsets, width)
    begin, end = int(places[cells.offset]), int(places[cells.offset + len(cells)])
    return bytes(memoryview(content)[begin:end])


def _packed_cells(path: Path) -> Iterator[bytes]:
    """Compressed cells: Dagster keeps its job snapshots so."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as con:
        for (table,) in con.execute("select name from sqlite_master where type = 'table'").fetchall():
            for row in con.execute(f"select * from {quote(table)}"):
                for cell in row:
                    if isinstance(cell, bytes) and cell[:1] == b"\x78":
                        try:
                            yield zlib.decompress(cell)
                        except zlib.error:
                            continue
