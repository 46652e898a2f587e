"""Reading a CSV file: its dialect, its header, and the lines that are no rows.

Belongs here: what only CSV needs. Does not belong here: what all readers share (see `reading`).
"""

import csv
import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb

from orchestration.sources.drift import SAMPLED_VALUES, judge
from orchestration.sources.errors import UnreadableFileError
from orchestration.sources.landed import create, given_to_duckdb, open_landed, open_text, workplace
from orchestration.sources.names import literal
from orchestration.sources.reading import (
    CHUNK,
    Delivered,
    FileRows,
    MalformedLine,
    Reject,
    placed_rows,
    take_rejects,
)
from orchestration.sources.servers import FileServer

# A file with more broken quotes than this is not a CSV file with mistakes, it is not the CSV that the contract means.
MAX_BROKEN_QUOTES = 50
_ROWS = "csv_rows"
# What DuckDB calls a quote that is not closed where its value ends.
_UNCLOSED = "UNQUOTED VALUE"


def read_csv(file: Delivered) -> FileRows:
    """Append the rows of a CSV file to its target.

    Raises:
        UnreadableFileError: not in the contract's encoding, or so many unclosed quotes that it is in another dialect.
        DriftError: columns are missing or unknown to the contract.
    """
    con, table, server = file.con, file.table, file.server
    with workplace(file.path) as folder:
        text_path = file.as_utf8(folder)
        header = _header(text_path, server) if server.header else [column.physical_name for column in table.columns]
        accepted = file.accept(
            judge(con, header, table, file.rules, lambda name: _some_values(text_path, server, header, name))
        )
        cut: list[MalformedLine] = []
        while True:
            rejects = _scan(con, text_path, server, len(header))
            broken = next((r for r in rejects if r.kind == _UNCLOSED), None)
            if broken is None:
                break
            # An unclosed quote swallows every row behind it. Only its own line is bad: cut that line, read again.
            if len(cut) >= MAX_BROKEN_QUOTES:
                raise UnreadableFileError(
                    f"{file.label}: more than {MAX_BROKEN_QUOTES} rows have an unclosed quote, the first in row "
                    f"{cut[0].row}. Check the quoting of the export, or the contract's delimiter."
                )
            row = _original_row(broken.row, cut)
            line, text_path = _cut_line(text_path, broken.line_offset, folder / f"cut{len(cut)}.csv")
            cut.append(MalformedLine(row, line, "a quote is opened and not closed"))
        malformed = sorted(
            [*cut, *(MalformedLine(_original_row(r.row, cut), r.text, r.reason) for r in rejects)],
            key=lambda line: line.row,
        )
        # Rows are counted as if a header stood before them; without one each stands a line earlier.
        early = 0 if server.header else 1
        relation, place = placed_rows(con, _ROWS, [MalformedLine(m.row + early, m.text, m.reason) for m in malformed])
        columns = file.selected(accepted, lambda name: _position(header.index(name)))
        rows = file.append(f"select {columns}, {place} - {early} as _row from {relation}")
        con.execute(f"drop table {_ROWS}")
    return FileRows(rows, tuple(malformed), tuple(header), accepted.extras)


def _position(place: int) -> str:
    """The name of a column while it is read: no delivered name can collide with DuckDB's `rowid`, or with ours."""
    return f"column_{place}"


def _scan(con: duckdb.DuckDBPyConnection, path: Path, server: FileServer, columns: int) -> list[Reject]:
    """Read the well-formed rows into a temporary table, in the file's order.

    Not by the parallel reader: where malformed lines are to be told of, it can lose all rows behind the first buffer (32 MB)
    of a file without a word. The other one says nothing of a quote that is never closed when no further quote follows, and
    drops what stands behind it; that is looked for here (DuckDB 1.5.5).
    """
    names = [_position(place) for place in range(columns)]
    types = ", ".join(f"{literal(name)}: 'varchar'" for name in names)
    nulls = ", ".join(literal(text) for text in ("", *server.null_values))
    with given_to_duckdb(con, path) as name:
        con.execute(
            f"""
            create or replace temp table {_ROWS} as
            select *
            from read_csv(
                {literal(name)}, delim = {literal(server.delimiter)}, header = {str(server.header).lower()},
                quote = {literal(server.quote)}, escape = {literal(server.escape)}, nullstr = [{nulls}],
                auto_detect = false, columns = {{{types}}}, encoding = 'utf-8', parallel = false, store_rejects = true,
                rejects_table = 'csv_rejects', rejects_scan = 'csv_scans', rejects_limit = 0
            )
            """
        )
    rejects = take_rejects(con, "csv_rejects", "csv_scans")
    if not any(reject.kind == _UNCLOSED for reject in rejects) and _is_short(con, path, server, columns, len(rejects)):
        rejects += _unclosed(path, server)
    return rejects


def _is_short(con: duckdb.DuckDBPyConnection, path: Path, server: FileServer, columns: int, rejects: int) -> bool:
    """Whether the file may have more lines than the rows that were read of it. Empty lines count, so that it may not."""
    ends = {b"\n": 0, b"\r": 0}
    last = b""
    has_quotes = False
    with open_landed(path) as file:
        while chunk := file.read(CHUNK):
            for end in ends:
                ends[end] += chunk.count(end)
            has_quotes = has_quotes or (server.quote != "" and server.quote.encode() in chunk)
            last = chunk[-1:]
    rows = con.execute(f"select count(*) from {_ROWS}").fetchall()[0][0]
    more = (ends[b"\n"] or ends[b"\r"]) + (last not in ends) - int(server.header) - rows - rejects
    if more <= 0 or not has_quotes:
        return False
    within = " + ".join(
        f"coalesce(length({name}) - length(replace({name}, chr(10), '')), 0)" for name in map(_position, range(columns))
    )
    breaks = con.execute(f"select coalesce(sum({within}), 0) from {_ROWS}").fetchall()[0][0]
    return bool(more > breaks)


def _unclosed(path: Path, server: FileServer) -> list[Reject]:
    """The line that opens the quote which the file never closes, if there is one: what it swallows goes to the end."""
    with open_landed(path) as file:
        row = offset = begun = number = 0
        line_there = b""
        inside = False
        for line in file:
            if inside or line.strip(b"\r\n"):
                if not inside:
                    number += 1
                    row, begun, line_there = number, offset, line
                inside = (inside or server.quote.encode() in line) and ends_inside(line, inside, server)
            offset += len(line)
    text = line_there.decode("utf-8", errors="replace").rstrip("\r\n")
    return [Reject(row, begun, _UNCLOSED, text, "a quote is opened and not closed")] if inside else []


def ends_inside(line: bytes, inside: bool, server: FileServer) -> bool:
    """Whether a line ends within quotes, given whether it begins there."""
    delimiter, quote, escape = (text.encode() for text in (server.delimiter, server.quote, server.escape))
    place, at_start = 0, not inside
    if not quote:
        return False
    while place < len(line):
        if inside:
            found = line.find(quote, place)
            if found < 0:
                return True
            if escape == quote and line[found + len(quote) :].startswith(quote):
                place = found + 2 * len(quote)
            elif escape and escape != quote and line[place:found].endswith(escape):
                place = found + len(quote)
            else:
                inside, place = False, found + len(quote)
        elif at_start and line[place:].startswith(quote):
            inside, at_start, place = True, False, place + len(quote)
        else:
            found = line.find(delimiter, place)
            if found < 0:
                return False
            place, at_start = found + len(delimiter), True
    return inside


def _original_row(row: int, cut: Sequence[MalformedLine]) -> int:
    """The place in the delivered file of a row of the copy from which lines were cut."""
    for line in sorted(cut, key=lambda line: line.row):
        if line.row <= row:
            row += 1
    return row


def _cut_line(path: Path, offset: int, target: Path) -> tuple[str, Path]:
    """Copy the file without the line that begins at the byte offset; returns that line and the copy."""
    with open_landed(path) as source, create(target) as copy:
        remaining = offset
        while remaining:
            chunk = source.read(min(CHUNK, remaining))
            copy.write(chunk)
            remaining -= len(chunk)
        line = source.readline()
        shutil.copyfileobj(source, copy, CHUNK)
    return line.decode("utf-8", errors="replace").rstrip("\r\n"), target


def _header(path: Path, server: FileServer) -> list[str]:
    with open_text(path, "utf-8", errors="replace") as file:
        return next(csv.reader(file, delimiter=server.delimiter, quotechar=server.quote), [])


def _some_values(path: Path, server: FileServer, header: Sequence[str], name: str) -> list[str]:
    """Some values of a column, from the beginning of the file."""
    place = list(header).index(name)
    with open_text(path, "utf-8", errors="replace") as file:
        lines = csv.reader(file, delimiter=server.delimiter, quotechar=server.quote)
        return [line[place] for line in itertools.islice(lines, 1, SAMPLED_VALUES) if place < len(line) and line[place]]
