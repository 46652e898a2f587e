"""Opening a user's file: which format it has, how it is written, and its rows as text in DuckDB.

Belongs here: recognising format, encoding, delimiter and header, spreadsheets to CSV, and the fields of nested JSON.
Does not belong here: what values are (see `profile`), and the daily reader (`sources.read`), which reads by contract.
"""

import codecs
import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb

from orchestration.scaffold.errors import FileFormatError
from orchestration.sources.compressed import COMPRESSIONS, BrokenCompressionError, is_compressed, plain_copy
from orchestration.sources.landed import create_text, given_to_duckdb, open_landed, open_text
from orchestration.sources.names import literal, quote
from orchestration.sources.servers import FileFormat

FILE_TABLE = "profiled_file"
_SUFFIXES: dict[str, str] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet", ".xlsx": "sheet", ".xlsm": "sheet", ".xls": "sheet", ".ods": "sheet",
}  # fmt: skip
_DELIMITERS = (",", ";", "\t", "|")
_SNIFFED_BYTES = 1 << 20
_SNIFFED_ROWS = 500
# A JSON object with more keys than this holds data in its keys (a map by date, by product): it stays whole.
_MOST_KEYS = 60
# In a file of a one-byte encoding, accented letters are the exception; more of them are another alphabet.
_MOST_HIGH_BYTES = 0.25


@dataclass(frozen=True)
class Field:
    """One column as the file has it: its name (for JSON a path with dots), and its DuckDB type when the file has types."""

    physical_name: str
    native_type: str | None = None
    is_json: bool = False
    """An object or a list that stays whole."""


@dataclass(frozen=True)
class SourceFile:
    """How a file is written. `path` is what will land: the file itself, or the copy that was made of it."""

    original: Path
    path: Path
    format: FileFormat
    encoding: str
    delimiter: str
    fields: tuple[Field, ...]
    notes: tuple[str, ...] = ()
    """What had to be decided or changed to read it, for people."""


def open_file(con: duckdb.DuckDBPyConnection, path: Path, workspace: Path) -> SourceFile:
    """Recognise the file and load its rows as the temporary table `profiled_file`: `f0`, `f1`, ... as text.

    `workspace` is a folder for copies (a spreadsheet as CSV, a header mended).

    Raises:
        FileFormatError: not a file that Kindred reads, empty, or without a header.
    """
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path.name} is empty (0 bytes)")
    if is_compressed(path):
        return _open_packed(con, path, workspace)
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(sorted(_SUFFIXES))
        packed = " Unpack it first." if path.suffix.lower() in (".zip", ".bz2", ".xz", ".7z", ".rar", ".tar") else ""
        raise FileFormatError(
            f"{path.name}: the ending {path.suffix!r} is none of {known}, nor one of these with "
            f"{' or '.join(COMPRESSIONS)} behind it.{packed}"
        )
    if kind == "sheet":
        return _open_csv(con, _sheet_as_csv(path, workspace), path, workspace, (_sheet_note(path),))
    if kind == "csv":
        return _open_csv(con, path, path, workspace, ())
    return _open_jsonl(con, path, workspace) if kind == "jsonl" else _open_parquet(con, path)


def require_file(path: Path) -> None:
    """Raise FileFormatError when there is no such file."""
    if not path.is_file():
        what = "is a folder: name one of the files in it" if path.is_dir() else "there is no such file"
        raise FileFormatError(f"{path}: {what}")


def _open_packed(con: duckdb.DuckDBPyConnection, path: Path, workspace: Path) -> SourceFile:
    """A compressed file: what is in it is profiled; the file itself lands, for the daily reader unpacks it too."""
    inner = workspace / path.stem
    try:
        plain_copy(path, workspace).replace(inner)
    except BrokenCompressionError as error:
        raise FileFormatError(
            f"{path.name} cannot be unpacked: {error}. It is cut off, or not what its ending says; ask for it again"
        ) from error
    if _SUFFIXES.get(inner.suffix.lower()) in (None, "sheet"):
        known = ", ".join(sorted(suffix for suffix, kind in _SUFFIXES.items() if kind != "sheet"))
        raise FileFormatError(
            f"{path.name}: {inner.suffix!r} in a compressed file is none of {known}. Unpack it and add what is in it"
        )
    opened = open_file(con, inner, workspace)
    return replace(opened, original=inner, path=path if opened.path == inner else opened.path)


# --- CSV -----------------------------------------------------------------------------------------------------------


def _open_csv(
    con: duckdb.DuckDBPyConnection, path: Path, original: Path, workspace: Path, notes: tuple[str, ...]
) -> SourceFile:
    encoding, encoding_notes = _encoding(path)
    text = _head(path, encoding)
    delimiter, rows = _dialect(text, original)
    header = rows[0]
    _refuse_without_header(header, rows[1:], original)
    names, header_notes = _mended(header)
    if header_notes:
        path = _with_header(path, encoding, delimiter, names, workspace / f"{original.stem}.csv")
        encoding = "utf-8"
    columns = ", ".join(f"'f{i}': 'varchar'" for i in range(len(names)))
    with given_to_duckdb(con, _as_utf8(path, encoding, workspace)) as readable:
        con.execute(
            f"""
            create or replace temp table {FILE_TABLE} as
            select *
            from read_csv(
                {literal(readable)}, delim = {literal(delimiter)}, header = true, quote = '"',
                escape = '"', auto_detect = false, columns = {{{columns}}}, encoding = 'utf-8', ignore_errors = true
            )
            """
        )
    fields = tuple(Field(name) for name in names)
    found = (*notes, *encoding_notes, *header_notes)
    return SourceFile(original, path, "csv", encoding, delimiter, fields, found)


def _encoding(path: Path) -> tuple[str, tuple[str, ...]]:
    """The file's encoding: UTF-8 and UTF-16 prove themselves, the rest is Windows-1252 or Latin-1 by its bytes."""
    with open_landed(path) as file:
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16", ()
        decoder = codecs.getincrementaldecoder("utf-8")()
        file.seek(0)
        try:
            while chunk := file.read(_SNIFFED_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
            return "utf-8", ()
        except UnicodeDecodeError:
            pass
        file.seek(0)
        counts: Counter[int] = Counter()
        while chunk := file.read(_SNIFFED_BYTES):
            counts.update(chunk)
    high = sum(count for byte, count in counts.items() if byte >= 0x80)
    letters = high + sum(count for byte, count in counts.items() if chr(byte).isalpha() and byte < 0x80)
    if high > _MOST_HIGH_BYTES * letters:
        raise FileFormatError(
            f"{path.name} is neither UTF-8 nor a Western European encoding ({100 * high / letters:.0f} percent of its "
            "letters are not ASCII). Save it as UTF-8 and add it again."
        )
    windows = any(0x80 <= byte <= 0x9F for byte in counts)
    encoding = "cp1252" if windows else "latin-1"
    return encoding, (f"not UTF-8; read as {encoding}: look at accented letters in the result",)


def _head(path: Path, encoding: str) -> str:
    with open_text(path, encoding, errors="replace") as file:
        text = file.read(_SNIFFED_BYTES)
    if len(text) == _SNIFFED_BYTES:
        text = text[: text.rfind("\n") + 1]
    return text.removeprefix("\ufeff")


def _dialect(text: str, original: Path) -> tuple[str, list[list[str]]]:
    """The delimiter under which the rows have most evenly most fields, and the first rows by it."""
    best: tuple[float, int, str, list[list[str]]] | None = None
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter)
        rows = [row for row, _ in zip(reader, range(_SNIFFED_ROWS), strict=False) if row]
        if not rows:
            continue
        width, count = Counter(map(len, rows)).most_common(1)[0]
        share = count / len(rows)
        better = best is None or (round(share, 2), width) > (round(best[0], 2), best[1])
        if width > 1 and share >= 0.5 and better:
            best = (share, width, delimiter, rows)
    if best is None:
        rows = [row for row in csv.reader(io.StringIO(text)) if row]
        if not rows:
            raise FileFormatError(f"{original.name} holds no line")
        return ",", rows[:_SNIFFED_ROWS]
    share, width, delimiter, rows = best
    if len(rows[0]) != width:
        raise FileFormatError(
            f"{original.name}: the first line has {len(rows[0])} fields and most lines have {width} (separated by "
            f"{delimiter!r}). The first line has to name the columns: take away what stands above the header."
        )
    return delimiter, rows


def _refuse_without_header(header: Sequence[str], rows: Sequence[Sequence[str]], original: Path) -> None:
    told = [cell for cell in header if "@" in cell or cell.replace(".", "").replace("-", "").replace("/", "").isdigit()]
    if told or not any(cell.strip() for cell in header):
        raise FileFormatError(
            f"{original.name}: the first line looks like data, not like the names of the columns "
            f"({len(told)} of its {len(header)} fields are numbers, dates or e-mail addresses). Put a header line on top."
        )
    if not rows:
        raise FileFormatError(f"{original.name} has a header and no row: nothing can be learnt from it")


def _mended(header: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Names for columns without one, and different names for equal ones, with what was done."""
    names: list[str] = []
    notes = []
    for position, cell in enumerate(header, 1):
        name = cell if cell.strip() else f"column_{position}"
        if not cell.strip():
            notes.append(f"column {position} has no name: it lands as `{name}`")
        known = {other.lower() for other in names}
        if name.lower() in known:
            number = next(n for n in range(2, len(header) + 2) if f"{name}_{n}".lower() not in known)
            notes.append(f"the name `{name}` stands twice: column {position} lands as `{name}_{number}`")
            name = f"{name}_{number}"
        names.append(name)
    return names, tuple(notes)


def _with_header(path: Path, encoding: str, delimiter: str, names: Sequence[str], target: Path) -> Path:
    with (
        open_text(path, encoding) as source,
        create_text(target.parent / "mended.csv") as copy,
    ):
        writer = csv.writer(copy, delimiter=delimiter, lineterminator="\n")
        rows = csv.reader(source, delimiter=delimiter)
        next(rows)
        writer.writerow(names)
        writer.writerows(rows)
    return (target.parent / "mended.csv").replace(target)


def _as_utf8(path: Path, encoding: str, workspace: Path) -> Path:
    with open_landed(path) as file:
        marked = file.read(3) == codecs.BOM_UTF8
    if encoding == "utf-8" and not marked:
        return path
    copy = workspace / "utf8.txt"
    with (
        open_text(path, "utf-8-sig" if marked else encoding) as source,
        create_text(copy) as target,
    ):
        shutil.copyfileobj(source, target, _SNIFFED_BYTES)
    return copy


# --- Spreadsheets --------------------------------------------------------------------------------------------------


def _sheet_note(path: Path) -> str:
    return f"{path.suffix[1:]} is no format of deliveries: its first sheet lands as CSV; deliver CSV, JSON Lines or Parquet"


def _sheet_as_csv(path: Path, workspace: Path) -> Path:
    """The first sheet that holds anything, as CSV in UTF-8 with dates in ISO 8601."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError as error:
        raise FileFormatError(
            f"{path.name}: reading spreadsheets takes the package python-calamine. Run `make setup`, or save it as CSV."
        ) from error
    try:
        with open_landed(path) as file:
            workbook = CalamineWorkbook.from_filelike(file)
            sheets = (workbook.get_sheet_by_name(name) for name in workbook.sheet_names)
            rows = next((rows for sheet in sheets if (rows := sheet.to_python(skip_empty_area=True))), None)
    except (CalamineError, OSError) as error:
        raise FileFormatError(f"{path.name} cannot be read as a spreadsheet: {error}") from error
    if not rows:
        raise FileFormatError(f"{path.name}: no sheet holds anything")
    target = workspace / f"{path.stem}.csv"
    with create_text(target) as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([_cell(value) for value in row] for row in rows if any(value != "" for value in row))
    return target


def _cell(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime() if value.time() == time(0):
            return value.date().isoformat()
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case date() | time() | timedelta():
            return str(value)
        case _:
            return str(value)


# --- JSON Lines ----------------------------------------------------------------------------------------------------


def _open_jsonl(con: duckdb.DuckDBPyConnection, path: Path, workspace: Path) -> SourceFile:
    encoding, notes = _encoding(path)
    if _head(path, encoding).lstrip()[:1] == "[":
        raise FileFormatError(_no_lines(path))
    with given_to_duckdb(con, _as_utf8(path, encoding, workspace)) as readable:
        con.execute(
            f"""
            create or replace temp table json_file as
            select line::json as item
            from read_csv(
                {literal(readable)}, delim = '\x01', header = false, quote = '', escape = '',
                auto_detect = false, columns = {{'line': 'varchar'}}, max_line_size = 16777216, ignore_errors = true
            )
            where json_valid(line) and json_type(line::json) = 'OBJECT'
            """
        )
    if not con.execute("select count(*) from json_file").fetchall()[0][0]:
        raise FileFormatError(_no_lines(path))
    structure = json.loads(con.execute("select json_group_structure(item) from json_file").fetchall()[0][0])
    fields, odd = _json_fields(structure)
    selected = ", ".join(f"item ->> {literal(_json_path(field))} as f{i}" for i, field in enumerate(fields))
    con.execute(f"create or replace temp table {FILE_TABLE} as select {selected} from json_file")
    con.execute("drop table json_file")
    if odd:
        notes = (*notes, f"keys with a dot, or equal but for letter case, are left out: {', '.join(sorted(odd))}")
    return SourceFile(path, path, "jsonl", encoding, ",", tuple(fields), notes)


def _no_lines(path: Path) -> str:
    return (
        f"{path.name}: not JSON Lines, which has one object on each line. A list in one piece becomes that by "
        f"`jq -c '.[]' {path.name} > {path.stem}.jsonl`."
    )


def _json_fields(structure: dict[str, Any]) -> tuple[list[Field], set[str]]:
    """The leaves of the nested objects, in the order of the file, and the keys that cannot be told by a path."""
    fields: list[Field] = []
    odd: set[str] = set()

    def walk(node: dict[str, Any], path: tuple[str, ...]) -> Iterator[Field]:
        seen: set[str] = set()
        for key, kind in node.items():
            if "." in key or not key or key.lower() in seen:
                odd.add(".".join((*path, key)))
                continue
            seen.add(key.lower())
            if isinstance(kind, dict) and 0 < len(kind) <= _MOST_KEYS:
                yield from walk(kind, (*path, key))
            else:
                yield Field(".".join((*path, key)), is_json=isinstance(kind, dict | list) or kind == "JSON")

    fields.extend(walk(structure, ()))
    return fields, odd


def _json_path(field: Field) -> str:
    return "$" + "".join(f'."{step}"' for step in field.physical_name.replace('"', "").split("."))


# --- Parquet -------------------------------------------------------------------------------------------------------


def _open_parquet(con: duckdb.DuckDBPyConnection, path: Path) -> SourceFile:
    try:
        with given_to_duckdb(con, path) as readable:
            source = f"read_parquet({literal(readable)})"
            described = con.execute(f"describe select * from {source}").fetchall()
            fields = [_parquet_field(name, kind) for name, kind, *_ in described]
            selected = ", ".join(f"{_parquet_text(field)} as f{i}" for i, field in enumerate(fields))
            con.execute(f"create or replace temp table {FILE_TABLE} as select {selected} from {source}")
    except duckdb.Error as error:
        raise FileFormatError(f"{path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    if not con.execute(f"select count(*) from {FILE_TABLE}").fetchall()[0][0]:
        raise FileFormatError(f"{path.name} has no row: nothing can be learnt from it")
    return SourceFile(path, path, "parquet", "utf-8", ",", tuple(fields))


def _parquet_text(field: Field) -> str:
    if field.is_json:
        return f"cast({quote(field.physical_name)} as json)::varchar"
    text = f"cast({quote(field.physical_name)} as varchar)"
    # Data frames write whole numbers as fractions beside gaps: `7.0` is the 7 of its owner.
    return f"regexp_replace({text}, '\\.0$', '')" if field.native_type in ("DOUBLE", "FLOAT") else text


def _parquet_field(name: str, kind: str) -> Field:
    nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION", "JSON"))
    return Field(name, native_type=None if kind == "VARCHAR" else kind, is_json=nested)
