"""The search for leftovers: every table and every file of the data folder, for a person's distinctive values.

Belongs here: opening what lies there (databases, Parquet, compressed and UTF-16 files) and saying where something was
found. Does not belong here: removing it, and which values are searched (see `traces`).
"""

import codecs
import gzip
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.duckdb_files import opened
from orchestration.privacy.relations import ENDED_IDS, Relation, relations
from orchestration.privacy.traces import Traces, values_only
from orchestration.sources.landed import given_to_duckdb, open_landed, read_bytes
from orchestration.sources.names import quote

if TYPE_CHECKING:
    import duckdb

_CHUNK = 8 << 20
_OVERLAP = 4096
_TEXT_IN_JSON = r'"((?:[^"\\]|\\.)*)"'
_TABULAR = (".duckdb",)


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


def scan(data: Path, traces: Traces, *, leave_out: Iterable[Path] = (), ended_ids: Collection[str] = ()) -> ScanResult:
    """Search everything below the data folder.

    Args:
        leave_out: folders and files that are not searched: the request's own working folder, the ledger's audit chain.
        ended_ids: customer ids, which may stand in the tables that remember ids and nowhere else.
    """
    omitted = [path.resolve() for path in leave_out]
    findings: list[Finding] = []
    tables = files = size = 0
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.is_symlink() or any(path.resolve().is_relative_to(item) for item in omitted):
            continue
        files += 1
        size += path.stat().st_size
        label = path.relative_to(data).as_posix()
        if named := traces.found_in(label.encode()):
            findings.append(Finding(f"the name of a file in {path.parent.relative_to(data).as_posix()}/", len(named)))
        if path.suffix in _TABULAR:
            with opened(path, read_only=True) as con:
                found, count = scan_database(con, traces, label, ended_ids)
            tables += count
            findings += found
        else:
            count = sum(len(traces.found_in(part)) for part in readable(path))
            if count:
                findings.append(Finding(label, count))
    return ScanResult(tuple(findings), len(traces.values), tables, files, size)


def scan_database(
    con: "duckdb.DuckDBPyConnection", traces: Traces, label: str, ended_ids: Collection[str] = ()
) -> tuple[list[Finding], int]:
    """Search every text column of every table of an open database, documents inside too."""
    import pyarrow as pa

    findings = []
    # Those that remember ids come last, so that the values are registered twice rather than for each table.
    found = sorted(relations(con), key=lambda item: item.label in ENDED_IDS)
    registered = None
    for item in found:
        without = item.label in ENDED_IDS
        if registered is not without:
            values = sorted(traces.values - set(ended_ids) if without else traces.values)
            con.register("searched_values", pa.table({"value": pa.array(values, pa.string())}))
            registered = without
        count = sum(con.execute(query).fetchall()[0][0] for query in _queries(item))
        if count:
            findings.append(Finding(f"{label} {item.label}", count))
    if registered is not None:
        con.unregister("searched_values")
    return findings, len(found)


def _queries(item: Relation) -> Iterator[str]:
    plain = [quote(name) for name in item.texts if item.columns[name] == "VARCHAR"]
    nested = [quote(name) for name in item.texts if item.columns[name] != "VARCHAR"]
    lists = [quote(name) for name, kind in item.columns.items() if kind == "VARCHAR[]"]
    if plain:
        yield (
            f"select count(*) from (select unnest([{', '.join(plain)}]) as value from {item.sql}) "
            "semi join searched_values using (value)"
        )
    for name in lists:
        yield f"select count(*) from (select unnest({name}) as value from {item.sql}) semi join searched_values using (value)"
    for name in nested:
        yield (
            f"select count(*) from (select unnest(regexp_extract_all({values_only(name)}, '{_TEXT_IN_JSON}', 1)) as value "
            f"from {item.sql}) semi join searched_values using (value)"
        )


def readable(path: Path) -> Iterator[bytes]:
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
        yield from _parquet_cells(path)
    elif head.startswith(b"SQLite format 3"):
        with path.open("rb") as file:
            yield from _parts(file)
        yield from _packed_cells(path)
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or head[1:8:2] == b"\0\0\0\0":
        encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-16-le"
        yield read_bytes(path).decode(encoding, errors="replace").encode()
    else:
        with open_landed(path) as file:
            yield from _parts(file)


def _parts(file: object) -> Iterator[bytes]:
    tail = b""
    while chunk := file.read(_CHUNK):  # type: ignore[attr-defined]
        chunk = bytes(chunk)
        yield tail + chunk
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
            cells = con.execute(f"select distinct {quote(name)}::varchar from read_parquet(?)", [place])
            while rows := cells.fetchmany(100_000):
                yield "\n".join(value for (value,) in rows if value is not None).encode()


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
