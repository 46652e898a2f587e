"""Reading one delivered file into text rows, with the place of each row and of each line that cannot be read.

Belongs here: what differs between CSV, JSON Lines and Parquet, wrong encodings, broken lines, and columns that do not
fit the contract. Does not belong here: types (see `load`) and judging values (see the quality gates).
"""

import codecs
import csv
import itertools
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.errors import KindredError
from orchestration.sources.compressed import BrokenCompressionError, plain_copy
from orchestration.sources.contract import Column, Contract, Table
from orchestration.sources.drift import (
    SAMPLED_VALUES,
    Accepted,
    DriftRules,
    Extra,
    Refused,
    judge,
    policy_sentence,
    strangers,
)
from orchestration.sources.servers import FileServer

# A file with more broken quotes than this is not a CSV file with mistakes, it is not the CSV that the contract means.
MAX_BROKEN_QUOTES = 50
_CHUNK = 1 << 20


class DeliveryError(KindredError):
    """A delivered file that stops its table; the message names the file, the row where known, and the way out."""


class MissingFileError(DeliveryError):
    """The delivery of a day, or one of its files, is not there."""


class UnreadableFileError(DeliveryError):
    """The file is not what the contract says: empty, truncated, or in another format or encoding."""


class DriftError(DeliveryError):
    """The file's columns are not those of the contract."""


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


def quote(identifier: str) -> str:
    """An identifier in SQL's double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL's single quotes."""
    return "'" + text.replace("'", "''") + "'"


def read_file(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    path: Path,
    label: str,
    target: str,
    rules: DriftRules | None = None,
) -> FileRows:
    """Append a file's rows to the temporary table `target`: the contract's columns, then `_file` and `_row`.

    CSV and JSON Lines give text columns, Parquet keeps its own types. `target` is created by the first file, and has the
    unknown columns of all files that `rules` (by default the contract's policy) let land.

    Raises:
        UnreadableFileError: empty, truncated, or not in the contract's format or encoding.
        DriftError: columns are missing or unknown to the contract.
    """
    if path.stat().st_size == 0:
        raise UnreadableFileError(
            f"{label} is empty (0 bytes): the delivery broke off. Ask {contract.owner} to send it again; "
            "a day without changes is a file with its header only."
        )
    readers = {"csv": _read_csv, "jsonl": _read_json_lines, "parquet": _read_parquet}
    rules = rules or DriftRules(contract.drift_policy)
    return readers[contract.server.format](con, contract, table, path, label, target, rules)


def _append(con: duckdb.DuckDBPyConnection, target: str, select: str, label: str) -> int:
    """Append `select` (columns of the contract and `_row`) to the target, adding `_file`; returns the row count."""
    labelled = f"select *, {literal(label)} as _file from ({select})"
    exists = con.execute(
        "select count(*) from duckdb_tables() where temporary and table_name = ?", [target]
    ).fetchall()[0][0]
    if exists:
        known = {row[0] for row in con.execute(f"describe {target}").fetchall()}
        for name, kind, *_ in con.execute(f"describe {labelled}").fetchall():
            if name not in known:
                con.execute(f"alter table {target} add column {quote(name)} {kind}")
        return int(con.execute(f"insert into {target} by name {labelled}").fetchall()[0][0])
    con.execute(f"create temp table {target} as {labelled}")
    return int(con.execute(f"select count(*) from {target}").fetchall()[0][0])


def _read_csv(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    path: Path,
    label: str,
    target: str,
    rules: DriftRules,
) -> FileRows:
    with tempfile.TemporaryDirectory(prefix="kindred-read-") as folder:
        server = contract.server
        text_path = _as_utf8(_plain(path, label, Path(folder)), server.encoding, label, Path(folder))
        header = _header(text_path, server) if server.header else [column.physical_name for column in table.columns]
        accepted = _accept(
            judge(con, header, table, rules, lambda name: _csv_values(text_path, server, header, name)), contract, label
        )
        cut: list[MalformedLine] = []
        while True:
            rejects = _scan_csv(con, text_path, server, header)
            broken = next((r for r in rejects if r.kind == "UNQUOTED VALUE"), None)
            if broken is None:
                break
            # An unclosed quote swallows every row behind it. Only its own line is bad: cut that line, read again.
            if len(cut) >= MAX_BROKEN_QUOTES:
                raise UnreadableFileError(
                    f"{label}: more than {MAX_BROKEN_QUOTES} rows have an unclosed quote, the first in row "
                    f"{cut[0].row}. Check the quoting of the export, or the contract's delimiter."
                )
            row = _original_row(broken.row, cut)
            line, text_path = _cut_line(text_path, broken.line_offset, Path(folder) / f"cut{len(cut)}.csv")
            cut.append(MalformedLine(row, line, "a quote is opened and not closed"))
        malformed = sorted(
            [*cut, *(MalformedLine(_original_row(r.row, cut), r.text, r.reason) for r in rejects)],
            key=lambda line: line.row,
        )
        columns = _selected(table, accepted)
        # Rows are counted as if a header stood before them; without one each stands a line earlier.
        early = 0 if server.header else 1
        shifted = [MalformedLine(line.row + early, line.text, line.reason) for line in malformed]
        rows = _append(
            con,
            target,
            f"select {columns}, {_row_expression(shifted)} - {early} as _row from {_numbered('csv_rows', shifted)} order by _n",
            label,
        )
        con.execute("drop table csv_rows")
    return FileRows(rows, tuple(malformed), tuple(header), accepted.extras)


@dataclass(frozen=True)
class _Reject:
    row: int
    line_offset: int
    kind: str
    text: str
    reason: str


def _scan_csv(con: duckdb.DuckDBPyConnection, path: Path, server: FileServer, header: Sequence[str]) -> list[_Reject]:
    """Read the file into the temporary table csv_rows (with `_n`, its position among well-formed rows)."""
    columns = ", ".join(f"{literal(name)}: 'varchar'" for name in header)
    nulls = ", ".join(literal(text) for text in ("", *server.null_values))
    con.execute(
        f"""
        create or replace temp table csv_rows as
        select row_number() over () as _n, *
        from read_csv(
            {literal(str(path))}, delim = {literal(server.delimiter)}, header = {str(server.header).lower()},
            quote = {literal(server.quote)}, escape = {literal(server.escape)}, nullstr = [{nulls}],
            auto_detect = false, columns = {{{columns}}}, encoding = 'utf-8', store_rejects = true,
            rejects_table = 'csv_rejects', rejects_scan = 'csv_scans', rejects_limit = 0
        )
        """
    )
    return _take_rejects(con, "csv_rejects", "csv_scans")


def _take_rejects(con: duckdb.DuckDBPyConnection, rejects: str, scans: str) -> list[_Reject]:
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
        _Reject(row, offset - 1, kind, (text or "").rstrip("\r\n"), reason) for row, offset, kind, text, reason in found
    ]


def _original_row(row: int, cut: Sequence[MalformedLine]) -> int:
    """The place in the delivered file of a row of the copy from which lines were cut."""
    for line in sorted(cut, key=lambda line: line.row):
        if line.row <= row:
            row += 1
    return row


def _cut_line(path: Path, offset: int, target: Path) -> tuple[str, Path]:
    """Copy the file without the line that begins at the byte offset; returns that line and the copy."""
    with path.open("rb") as source, target.open("wb") as copy:
        remaining = offset
        while remaining:
            chunk = source.read(min(_CHUNK, remaining))
            copy.write(chunk)
            remaining -= len(chunk)
        line = source.readline()
        shutil.copyfileobj(source, copy, _CHUNK)
    return line.decode("utf-8", errors="replace").rstrip("\r\n"), target


def _numbered(rows: str, malformed: Sequence[MalformedLine]) -> str:
    """`rows` with `_shift`: how many malformed lines stand before each row."""
    if not malformed:
        return rows
    # Row n among the well-formed ones has line j before it when fewer than n well-formed rows precede that line.
    values = ", ".join(f"({line.row - 2 - j}, {j + 1})" for j, line in enumerate(malformed))
    return (
        f"{rows} asof left join (select well_formed_before, max(lines) as lines from (values {values}) "
        "as malformed (well_formed_before, lines) group by all) as shifts on _n > shifts.well_formed_before"
    )


def _row_expression(malformed: Sequence[MalformedLine]) -> str:
    return "_n + 1 + coalesce(shifts.lines, 0)" if malformed else "_n + 1"


def _as_utf8(path: Path, encoding: str, label: str, folder: Path) -> Path:
    """The file itself when it is UTF-8 without a byte order mark, else a UTF-8 copy.

    Raises UnreadableFileError for bytes that the declared encoding does not know. (Bad bytes in a file that is said to
    be UTF-8 are found row by row, by DuckDB.)
    """
    with path.open("rb") as file:
        has_mark = file.read(3) == codecs.BOM_UTF8
    try:
        is_utf8 = codecs.lookup(encoding).name == "utf-8"
    except LookupError as error:
        raise UnreadableFileError(f"{label}: the contract's encoding {encoding!r} is unknown") from error
    if is_utf8 and not has_mark:
        return path
    copy = folder / "utf8.txt"
    if is_utf8:
        with path.open("rb") as source, copy.open("wb") as target:
            source.seek(len(codecs.BOM_UTF8))
            shutil.copyfileobj(source, target, _CHUNK)
        return copy
    with path.open(encoding=encoding, newline="") as source, copy.open("w", encoding="utf-8", newline="") as target:
        try:
            shutil.copyfileobj(source, target, _CHUNK)
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


def _header(path: Path, server: FileServer) -> list[str]:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return next(csv.reader(file, delimiter=server.delimiter, quotechar=server.quote), [])


def _accept(judged: Accepted | Refused, contract: Contract, label: str) -> Accepted:
    if isinstance(judged, Refused):
        raise DriftError(
            f"{label}: the columns are not those of the contract; {judged.problems}. {policy_sentence(contract)}"
        )
    return judged


def _selected(table: Table, accepted: Accepted) -> str:
    """SQL of the columns that are landed, under their names in `raw`."""
    columns = [
        "null::varchar" if column.name in accepted.lacking else quote(column.physical_name) for column in table.columns
    ]
    named = [f"{value} as {quote(column.name)}" for value, column in zip(columns, table.columns, strict=True)]
    extras = [f"{quote(extra.physical_name)}::varchar as {quote(extra.name)}" for extra in accepted.extras]
    return ", ".join([*named, *extras])


def _csv_values(path: Path, server: FileServer, header: Sequence[str], name: str) -> list[str]:
    """Some values of a column, from the beginning of the file."""
    place = list(header).index(name)
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        lines = csv.reader(file, delimiter=server.delimiter, quotechar=server.quote)
        return [line[place] for line in itertools.islice(lines, 1, SAMPLED_VALUES) if place < len(line) and line[place]]


def _parquet_values(con: duckdb.DuckDBPyConnection, source: str, name: str) -> list[str]:
    rows = con.execute(
        f"select {quote(name)}::varchar from {source} where {quote(name)} is not null limit {SAMPLED_VALUES}"
    ).fetchall()
    return [row[0] for row in rows]


def _read_json_lines(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    path: Path,
    label: str,
    target: str,
    rules: DriftRules,
) -> FileRows:
    with tempfile.TemporaryDirectory(prefix="kindred-read-") as folder:
        text_path = _as_utf8(_plain(path, label, Path(folder)), contract.server.encoding, label, Path(folder))
        # JSON forbids raw control characters, so \x01 can never split a valid line.
        con.execute(
            f"""
            create or replace temp table json_lines as
            select row_number() over () as _n, line
            from read_csv(
                {literal(str(text_path))}, delim = '\x01', header = false, quote = '', escape = '',
                auto_detect = false, columns = {{'line': 'varchar'}}, max_line_size = 16777216,
                store_rejects = true, rejects_table = 'json_rejects', rejects_scan = 'json_scans', rejects_limit = 0
            )
            """
        )
        rejects = _take_rejects(con, "json_rejects", "json_scans")
    unread = [MalformedLine(r.row, r.text, r.reason) for r in rejects]
    # Lines are numbered from 1 without a header: the same shift as CSV's, one line earlier.
    shifted = [MalformedLine(line.row + 1, line.text, line.reason) for line in unread]
    con.execute(
        f"""
        create or replace temp table json_numbered as
        select
            {_row_expression(shifted)} - 1 as _row,
            line,
            case when json_valid(line) then json_type(line) = 'OBJECT' else false end as is_object
        from {_numbered("json_lines", shifted)}
        where trim(line) <> ''
        """
    )
    no_objects = con.execute("select _row, line from json_numbered where not is_object order by _row").fetchall()
    malformed = unread + [MalformedLine(row, text, "not a JSON object") for row, text in no_objects]
    keys = con.execute(
        "select distinct unnest(json_keys(line)) as key from json_numbered where is_object order by key"
    ).fetchall()
    found = tuple(key for (key,) in keys)
    top = {column.physical_name.split(".")[0] for column in table.columns}
    accepted = _accept(strangers([key for key in found if key not in top], table, rules), contract, label)
    fields = ", ".join(
        [
            *(f"{_struct_path(column)} as {quote(column.name)}" for column in table.columns),
            *(
                f"line ->> {literal(_json_path(extra.physical_name))} as {quote(extra.name)}"
                for extra in accepted.extras
            ),
        ]
    )
    rows = _append(
        con,
        target,
        f"""
        select {fields}, _row
        from (
            select _row, line, from_json(line, {literal(_json_structure(table.columns))}) as item
            from json_numbered
            where is_object
        )
        """,
        label,
    )
    con.execute("drop table json_lines")
    con.execute("drop table json_numbered")
    if rows == 0 and malformed:
        raise UnreadableFileError(f"{label}: no line is a JSON object; the contract says JSON Lines")
    return FileRows(rows, tuple(sorted(malformed, key=lambda line: line.row)), found, accepted.extras)


def _json_path(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'$."{escaped}"'


def _struct_path(column: Column) -> str:
    return "item." + ".".join(quote(step) for step in column.physical_name.split("."))


def _json_structure(columns: Sequence[Column]) -> str:
    """DuckDB's `from_json` structure: every leaf is text, except what stays JSON."""
    tree: dict[str, object] = {}
    for column in columns:
        *parents, leaf = column.physical_name.split(".")
        node = tree
        for step in parents:
            child = node.setdefault(step, {})
            assert isinstance(child, dict)
            node = child
        node[leaf] = "JSON" if column.type == "json" else "VARCHAR"
    return json.dumps(tree)


def _read_parquet(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    path: Path,
    label: str,
    target: str,
    rules: DriftRules,
) -> FileRows:
    source = f"read_parquet({literal(str(path))}, file_row_number = true)"
    try:
        found = [row[0] for row in con.execute(f"describe select * from {source}").fetchall()]
        delivered = [name for name in found if name != "file_row_number"]
        accepted = _accept(
            judge(con, delivered, table, rules, lambda name: _parquet_values(con, source, name)), contract, label
        )
        columns = _selected(table, accepted)
        rows = _append(con, target, f"select {columns}, file_row_number + 1 as _row from {source}", label)
    except duckdb.Error as error:
        raise UnreadableFileError(
            f"{label} cannot be read as Parquet, it is truncated or another format: {str(error).splitlines()[0]}. "
            f"Ask {contract.owner} to send it again."
        ) from error
    return FileRows(rows, (), tuple(delivered), accepted.extras)
