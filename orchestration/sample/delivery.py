"""Writing a source's day: rows with planted defects, into a folder that appears whole.

Belongs here: the order of rows, which of them are spoilt, the bytes of lines and Parquet, the swap of folders, and the
list of what was spoilt. Does not belong here: what a row says.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.errors import KindredError
from orchestration.sample.render import CAPTURED, FLAG_BIRTH, FLAG_EMAIL, FLAG_NAME, FLAG_PHONE
from orchestration.sample.state import Bools, stochastic_round
from orchestration.sample.words import Ints
from orchestration.sources.landed import create, write_whole

MARKER = "_SAMPLE.json"
SUCCESS = "_SUCCESS"
_CHUNK = 200_000


class SampleError(KindredError):
    """The sample cannot be written as asked."""


class Kind(IntEnum):
    """What is wrong with a row. The numbers stand in the SQL of `render` and `channels`."""

    GOOD = 0
    MISSING_KEY = 1
    TOO_FEW_FIELDS = 2
    TOO_MANY_FIELDS = 3
    MALFORMED_JSON = 4
    UNPARSABLE_DATE = 5
    INVALID_EMAIL = 6
    DUPLICATE_KEY = 7
    NEGATIVE_AMOUNT = 8
    MISSING_AMOUNT = 9
    NOT_A_NUMBER = 10


PLACEHOLDERS = {
    FLAG_EMAIL: "placeholder_email",
    FLAG_PHONE: "placeholder_phone",
    FLAG_BIRTH: "placeholder_birth_date",
    FLAG_NAME: "placeholder_name",
}

DEFECT_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("load_date", pa.date32()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("kind", pa.string()),
        ("class", pa.string()),
        ("record_key", pa.string()),
    ]
)


@dataclass(frozen=True)
class Plan:
    """Rows of a file in their order: which row of the payload, and what is wrong with it."""

    take: Ints
    kind: Ints

    def __len__(self) -> int:
        return len(self.take)


def plan_rows(
    rng: np.random.Generator, rows: int, rates: Mapping[Kind, float], fit: Mapping[Kind, Bools] | None = None
) -> Plan:
    """Spoil a known share of rows, each at most once; duplicates come again at the end of the file.

    `fit` limits a kind to the rows where it can be seen (an invalid e-mail needs one).
    """
    kind = np.zeros(rows, np.int64)
    again: list[Ints] = []
    for item, rate in rates.items():
        wanted = stochastic_round(rng, rows * rate)
        if not wanted:
            continue
        allowed = kind == Kind.GOOD
        if fit and item in fit:
            allowed &= fit[item]
        places = np.flatnonzero(allowed)
        chosen = np.sort(rng.choice(places, min(wanted, len(places)), replace=False)) if len(places) else places
        if item is Kind.DUPLICATE_KEY:
            again.append(chosen)
        else:
            kind[chosen] = item
    twice = np.concatenate(again) if again else np.zeros(0, np.int64)
    return Plan(
        np.concatenate([np.arange(rows), twice]), np.concatenate([kind, np.full(len(twice), Kind.DUPLICATE_KEY)])
    )


@dataclass
class Log:
    """What was written: row counts and defects, for the summary and the truth."""

    rows: dict[tuple[str, str, str], int] = field(default_factory=dict)
    defects: list[pa.Table] = field(default_factory=list)

    def defect_table(self) -> pa.Table:
        """All defects in the order of writing."""
        return pa.concat_tables([DEFECT_SCHEMA.empty_table(), *self.defects]).combine_chunks()


class Delivery:
    """One source's day in the making. Use as a context: leaving it without an error swaps the folder in."""

    def __init__(self, landing: Path, source: str, day: date, identity: Mapping[str, object], log: Log) -> None:
        self.source, self.day, self.log = source, day, log
        self.folder = landing / source / day.isoformat()
        self.partial = landing / source / f".{day.isoformat()}.partial"
        self.identity = identity

    def __enter__(self) -> "Delivery":
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            shutil.rmtree(self.partial, ignore_errors=True)
            return
        write_whole(self.partial / MARKER, f"{json.dumps(self.identity, sort_keys=True)}\n".encode())
        old = self.folder.with_name(f".{self.day.isoformat()}.old")
        shutil.rmtree(old, ignore_errors=True)
        if self.folder.exists():
            self.folder.rename(old)
        self.partial.rename(self.folder)
        (self.folder / SUCCESS).touch()
        shutil.rmtree(old, ignore_errors=True)

    def write(
        self,
        con: duckdb.DuckDBPyConnection,
        name: str,
        plan: Plan,
        payload: Callable[[Ints], dict[str, pa.Array]],
        select: str,
        *,
        header: str | None = None,
        encoding: str = "utf-8",
        schema: pa.Schema | None = None,
        capture: bool = True,
    ) -> None:
        """Write a file.

        `payload(rows)` gives the columns of `raw_src` for those rows; `select` is SQL over `captured` (or `raw_src`,
        with `capture=False`) that gives `key`, `kind`, `flags` and either `line` or the columns of `schema` (Parquet).
        """
        path = self.partial / name
        offset = 1 if header is None else 2
        sink: _Lines | _Parquet = _Lines(path, header, encoding) if schema is None else _Parquet(path, schema)
        try:
            for start in range(0, len(plan), _CHUNK):
                part = slice(start, start + _CHUNK)
                table = pa.table({**payload(plan.take[part]), "kind": pa.array(plan.kind[part])})
                con.register("raw_src", table)
                out = con.execute(f"with {CAPTURED} {select}" if capture else select).to_arrow_table()
                con.unregister("raw_src")
                sink.write(out)
                self._note(name, out, start + offset)
        finally:
            sink.close()
        self.log.rows[self.source, self.day.isoformat(), name] = len(plan)

    def _note(self, name: str, out: pa.Table, first: int) -> None:
        kind, flags = out["kind"].to_numpy(), out["flags"].to_numpy()
        keys = out["key"]
        parts = [(np.flatnonzero(kind == k), k.name.lower(), "bad") for k in Kind if k is not Kind.GOOD]
        parts += [(np.flatnonzero(flags & bit > 0), text, "placeholder") for bit, text in PLACEHOLDERS.items()]
        for rows, text, group in parts:
            n = len(rows)
            if n:
                columns = {
                    "source": pa.repeat(self.source, n),
                    "load_date": pa.repeat(pa.scalar(self.day), n),
                    "file": pa.repeat(f"{self.source}/{self.day.isoformat()}/{name}", n),
                    "row": pa.array(rows + first),
                    "kind": pa.repeat(text, n),
                    "class": pa.repeat(group, n),
                    "record_key": pc.take(keys, pa.array(rows)).combine_chunks(),
                }
                self.log.defects.append(pa.table(columns, schema=DEFECT_SCHEMA))


class _Parquet:
    """A Parquet file with fixed settings, so that the same rows give the same bytes."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._file = create(path)
        self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows.select(self._schema.names).cast(self._schema))

    def close(self) -> None:
        self._writer.close()
        self._file.close()


class _Lines:
    """A text file of lines that carry their line ends."""

    def __init__(self, path: Path, header: str | None, encoding: str) -> None:
        self._encoding = encoding
        self._file = create(path)
        if header is not None:
            self._file.write((header + "\n").encode(encoding))

    def write(self, rows: pa.Table) -> None:
        """Append the column `line`: its strings lie one after another in Arrow's buffer."""
        lines = rows["line"]
        if lines.null_count:
            raise AssertionError("a line of the sample is null: a column was not guarded")
        for part in lines.chunks:
            chunk = part.cast(pa.large_string())
            if not len(chunk):
                continue
            offsets = np.frombuffer(chunk.buffers()[1], np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
            data = memoryview(chunk.buffers()[2])[int(offsets[0]) : int(offsets[-1])]
            self._file.write(data if self._encoding == "utf-8" else bytes(data).decode("utf-8").encode(self._encoding))

    def close(self) -> None:
        # A file of 0 bytes is a broken delivery to readers; a day without news is an empty line.
        if self._file.tell() == 0:
            self._file.write(b"\n")
        self._file.close()
