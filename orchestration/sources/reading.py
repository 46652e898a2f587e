"""What the readers of all formats share: the file to be read, what came of it, and the landed table that it fills.

Belongs here: unpacking, encodings, columns that do not fit the contract, appending rows. Does not belong here: one format
(see `read_csv`, `read_json_lines`, `read_parquet`).
"""

import codecs
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.sources.compressed import BrokenCompressionError, plain_copy
from orchestration.sources.contract import Contract, Table
from orchestration.sources.drift import Accepted, DriftRules, Extra, Refused, policy_sentence
from orchestration.sources.errors import DriftError, UnreadableFileError
from orchestration.sources.landed import create, open_landed, open_text
from orchestration.sources.names import literal, quote
from orchestration.sources.servers import FileServer

CHUNK = 1 << 20


@dataclass(frozen=True)
class MalformedLine:
    """A line that is no row: its 1-based position in the file (header counted), its text and the reader's reason."""

    row: int
    text: str
    reason: str


@dataclass(frozen=True)
class FileRows:
    """The outcome of reading one file: how many rows went into the landed table, and the lines that could not."""

    rows: int
    malformed: tuple[MalformedLine, ...]
    found: tuple[str, ...] = ()
    """Physical names of what the file holds: columns, or the top-level keys of JSON objects."""
    extras: tuple[Extra, ...] = ()
    """Those that the contract does not know and that were landed."""


@dataclass(frozen=True)
class Delivered:
    """One delivered file, and where its rows go."""

    con: duckdb.DuckDBPyConnection
    contract: Contract
    table: Table
    path: Path
    label: str
    """Its path below landing: how messages and `_file` name it."""
    target: str
    """The temporary table that takes its rows; the first file makes it."""
    rules: DriftRules

    @property
    def server(self) -> FileServer:
        """How the contract says that the file is written."""
        return self.contract.server

    def accept(self, judged: Accepted | Refused) -> Accepted:
        """What was judged of its columns. Raises DriftError when they are refused."""
        if isinstance(judged, Refused):
            raise DriftError(
                f"{self.label}: the columns are not those of the contract; {judged.problems}. "
                f"{policy_sentence(self.contract)}",
                judged.columns,
            )
        return judged

    def selected(self, accepted: Accepted, column_of: Callable[[str], str] = quote) -> str:
        """SQL of the columns that are landed, under their names in `raw`.

        Args:
            column_of: SQL of a delivered column, by its physical name.
        """
        columns = [
            "null::varchar" if column.name in accepted.lacking else column_of(column.physical_name)
            for column in self.table.columns
        ]
        named = [f"{value} as {quote(column.name)}" for value, column in zip(columns, self.table.columns, strict=True)]
        extras = [f"{column_of(extra.physical_name)}::varchar as {quote(extra.name)}" for extra in accepted.extras]
        return ", ".join([*named, *extras])

    def append(self, select: str) -> int:
        """Append `select` (columns of the contract and `_row`) to the target, adding `_file`; returns the row count."""
        con, target = self.con, self.target
        labelled = f"select *, {literal(self.label)} as _file from ({select})"
        exists = con.execute(
            "select count(*) from duckdb_tables() where temporary and table_name = ?", [target]
        ).fetchall()[0][0]
        if not exists:
            return int(con.execute(f"create temp table {target} as {labelled}").fetchall()[0][0])
        known = {row[0] for row in con.execute(f"describe {target}").fetchall()}
        for name, kind, *_ in con.execute(f"describe {labelled}").fetchall():
            if name not in known:
                con.execute(f"alter table {target} add column {quote(name)} {kind}")
        return int(con.execute(f"insert into {target} by name {labelled}").fetchall()[0][0])

    def as_utf8(self, folder: Path) -> Path:
        """The file unpacked and in UTF-8 without a byte order mark: itself, or a copy in the folder.

        Raises UnreadableFileError for bytes that the declared encoding does not know. (Bad bytes in a file that is said
        to be UTF-8 are found row by row, by DuckDB.)
        """
        return _as_utf8(_plain(self.path, self.label, folder), self.server.encoding, self.label, folder)


def placed_rows(con: duckdb.DuckDBPyConnection, rows: str, malformed: Sequence[MalformedLine]) -> tuple[str, str]:
    """How rows get their place in the file: the relation to select from, and SQL of the place.

    The rowid of a table that was filled from the file in its order counts the rows. A window function would, too, but it
    makes DuckDB read the file in one thread, which doubles what reading costs.

    Args:
        rows: temporary table of the well-formed rows, as one statement has put them there.
        malformed: the lines between them, by their place; a header counts as the first.
    """
    # In a transaction that has not ended, rowids begin at a large number.
    first = con.execute(f"select coalesce(min(rowid), 0) from {rows}").fetchall()[0][0]
    if not malformed:
        return rows, f"rowid - {first - 2}"
    # Row n among the well-formed ones has line j before it when fewer than n well-formed rows precede that line.
    values = ", ".join(f"({line.row - 2 - j}, {j + 1})" for j, line in enumerate(malformed))
    return (
        f"(select *, rowid - {first - 1} as _n from {rows}) asof left join (select well_formed_before, max(lines) as lines "
        f"from (values {values}) as malformed (well_formed_before, lines) group by all) as shifts "
        "on _n > shifts.well_formed_before",
        "_n + 1 + coalesce(shifts.lines, 0)",
    )


@dataclass(frozen=True)
class Reject:
    """A line that DuckDB's reader could not take."""

    row: int
    """Its 1-based line in the file that was read."""
    line_offset: int
    """Where it begins, in bytes."""
    kind: str
    text: str
    reason: str


def take_rejects(con: duckdb.DuckDBPyConnection, rejects: str, scans: str) -> list[Reject]:
    """The lines in the reader's table of rejects, in order; the reader's tables are dropped."""
    found = con.execute(
        f"""
        select line, min(line_byte_position), min(error_type::varchar), min(csv_line), min(error_message)
        from {rejects}
        group by line
        order by line
        """
    ).fetchall()
    con.execute(f"drop table {rejects}")
    con.execute(f"drop table {scans}")
    return [
        Reject(row, offset - 1, kind, (text or "").rstrip("\r\n"), reason) for row, offset, kind, text, reason in found
    ]


def _as_utf8(path: Path, encoding: str, label: str, folder: Path) -> Path:
    """The file itself when it is UTF-8 without a byte order mark, else a UTF-8 copy.

    Raises UnreadableFileError for bytes that the declared encoding does not know. (Bad bytes in a file that is said to
    be UTF-8 are found row by row, by DuckDB.)
    """
    with open_landed(path) as file:
        has_mark = file.read(3) == codecs.BOM_UTF8
    try:
        is_utf8 = codecs.lookup(encoding).name == "utf-8"
    except LookupError as error:
        raise UnreadableFileError(f"{label}: the contract's encoding {encoding!r} is unknown") from error
    if is_utf8 and not has_mark:
        return path
    copy = folder / "utf8.txt"
    if is_utf8:
        with open_landed(path) as source, create(copy) as target:
            source.seek(len(codecs.BOM_UTF8))
            shutil.copyfileobj(source, target, CHUNK)
        return copy
    with open_text(path, encoding) as source, create(copy) as target:
        try:
            while text := source.read(CHUNK):
                target.write(text.encode())
        except UnicodeDecodeError as error:
            raise UnreadableFileError(
                f"{label} is not {encoding}: byte {error.object[error.start]:#x} has no meaning in it "
                f"({error.reason}). Correct servers[0].encoding in the contract, or ask for the file again."
            ) from error
    return copy


def _plain(path: Path, label: str, folder: Path) -> Path:
    try:
        return plain_copy(path, folder)
    except BrokenCompressionError as error:
        raise UnreadableFileError(
            f"{label} cannot be unpacked, it is cut off or not compressed as its name says: {error}. "
            "Ask for the file again."
        ) from error
