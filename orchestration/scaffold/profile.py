"""What a file's columns hold: how full, how many values, of what type. Facts only.

Belongs here: counting. Does not belong here: what a column means (see `semantics`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import duckdb

from orchestration.scaffold.dates import DateReading, read_dates
from orchestration.scaffold.files import FILE_TABLE, Field, SourceFile
from orchestration.scaffold.vocabulary import words_of
from orchestration.sources.names import literal

LogicalType = Literal["string", "integer", "number", "boolean", "date", "timestamp", "object"]

# Distinct values that Python looks at for what they mean.
SAMPLED_VALUES = 1000
# Names that staging models use themselves; a column called so gets an underscore behind it.
_RESERVED = frozenset({
    "first_load_date", "version_rank", "is_change", "row_fingerprint", "latest_load_date", "changed_on", "split_name",
    "row_hash", "load_date", "record_key", "source_key", "observed_at", "version_order", "known_since", "row_number",
})  # fmt: skip
_PATTERNS = {
    "integers": r"^-?(0|[1-9]\d{0,17})$",
    "leading_zeros": r"^0\d+$",
    "numbers": r"^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$",
    "comma_numbers": r"^-?(\d{1,3}(\.\d{3})+|\d+),\d+$",
    "money": r"^[^\d\w]{0,2}\s*-?(\d{1,3}([ ,.'’]\d{3})+|\d+)([.,]\d{1,2})?\s*(€|\$|£|¥|[A-Z]{3})?$",
    "booleans": r"^(?i:true|false)$",
}  # fmt: skip
_NATIVE: dict[str, LogicalType] = {
    "BOOLEAN": "boolean", "DATE": "date", "TINYINT": "integer", "SMALLINT": "integer", "INTEGER": "integer",
    "BIGINT": "integer", "UTINYINT": "integer", "USMALLINT": "integer", "UINTEGER": "integer", "UBIGINT": "integer",
    "HUGEINT": "number", "FLOAT": "number", "DOUBLE": "number",
}  # fmt: skip


@dataclass(frozen=True)
class ColumnProfile:
    """What one column holds. Values are in `sample` only, which nothing prints or writes."""

    position: int
    name: str
    """The column's name in `raw`."""
    physical_name: str
    native_type: str | None
    rows: int
    filled: int
    distinct: int
    shortest: int
    longest: int
    type: LogicalType
    type_evidence: str
    dates: DateReading | None
    counts: dict[str, int] = field(repr=False)
    """How many values have each of the shapes of `_PATTERNS`."""
    sample: tuple[tuple[str, int], ...] = field(repr=False)
    """Distinct values with how often each stands, a reproducible thousand of them."""

    @property
    def column(self) -> str:
        """The column's place in the profiled table."""
        return f"f{self.position}"

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the name in the file."""
        return words_of(self.physical_name)

    @property
    def fill(self) -> float:
        """Share of the rows that have a value."""
        return self.filled / self.rows if self.rows else 0.0

    @property
    def unique(self) -> bool:
        """Every row has a value of its own."""
        return self.rows > 0 and self.distinct == self.rows

    def share(self, shape: str) -> float:
        """Share of the values that have the shape."""
        return self.counts[shape] / self.filled if self.filled else 0.0


@dataclass(frozen=True)
class FileProfile:
    """A file with the profiles of its columns."""

    file: SourceFile
    rows: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile | None:
        """The column by its name in `raw` or in the file, letter case aside."""
        wanted = name.lower()
        return next((c for c in self.columns if wanted in (c.name, c.physical_name.lower())), None)


def profile_file(con: duckdb.DuckDBPyConnection, file: SourceFile) -> FileProfile:
    """Count what the columns of the opened file hold. Reads the whole file, once per column."""
    rows = int(con.execute(f"select count(*) from {FILE_TABLE}").fetchall()[0][0])
    names = raw_names([column.physical_name for column in file.fields], _keywords(con))
    columns = [_profile(con, rows, i, item, names[i]) for i, item in enumerate(file.fields)]
    return FileProfile(file, rows, tuple(_with_dates(con, columns)))


def raw_names(physical_names: Sequence[str], keywords: frozenset[str] = frozenset()) -> list[str]:
    """Names in snake case, each once, none of them a word of SQL or of the staging models."""
    names: list[str] = []
    for position, physical_name in enumerate(physical_names, 1):
        name = "_".join(words_of(physical_name)) or f"column_{position}"
        if not name[0].isalpha():
            name = f"column_{name}"
        if name in keywords or name in _RESERVED:
            name = f"{name}_"
        base, number = name, 2
        while name in names:
            name, number = f"{base}_{number}", number + 1
        names.append(name)
    return names


def _keywords(con: duckdb.DuckDBPyConnection) -> frozenset[str]:
    rows = con.execute("select keyword_name from duckdb_keywords() where keyword_category <> 'unreserved'").fetchall()
    # Unreserved words that are names of types or functions are plain column names to DuckDB and to Spark.
    return frozenset(row[0] for row in rows) - {"name", "year", "month", "day"}


def _profile(con: duckdb.DuckDBPyConnection, rows: int, position: int, item: Field, name: str) -> ColumnProfile:
    column = f"f{position}"
    shapes = ", ".join(
        f"count(*) filter (where regexp_matches(trim({column}), {literal(pattern)}))" for pattern in _PATTERNS.values()
    )
    filled, distinct, shortest, longest, *counted = con.execute(
        f"""
        select
            count(*), count(distinct {column}), coalesce(min(length({column})), 0), coalesce(max(length({column})), 0),
            {shapes}
        from {FILE_TABLE}
        where trim({column}) <> ''
        """
    ).fetchall()[0]
    sample = con.execute(
        f"""
        with counted as (
            select {column} as value, count(*) as n from {FILE_TABLE} where trim({column}) <> '' group by {column}
        )
        select value, n from counted order by md5(value), value limit {SAMPLED_VALUES}
        """
    ).fetchall()
    counts = dict(zip(_PATTERNS, map(int, counted), strict=True))
    kind, evidence = _type(item, int(filled), counts)
    return ColumnProfile(
        position=position,
        name=name,
        physical_name=item.physical_name,
        native_type=item.native_type,
        rows=rows,
        filled=int(filled),
        distinct=int(distinct),
        shortest=int(shortest),
        longest=int(longest),
        type=kind,
        type_evidence=evidence,
        dates=None,
        counts=counts,
        sample=tuple((str(value), int(count)) for value, count in sample),
    )


def _type(item: Field, filled: int, counts: dict[str, int]) -> tuple[LogicalType, str]:
    if item.is_json:
        return "object", "an object or a list, kept whole"
    if item.native_type is not None:
        return _native_type(item.native_type, filled, counts)
    if not filled:
        return "string", "no value to tell the type from"
    if counts["booleans"] == filled:
        return "boolean", "all are true or false"
    if counts["integers"] == filled:
        return "integer", "all are whole numbers"
    if counts["numbers"] == filled:
        return "number", "all are numbers"
    return "string", "text"


def _native_type(native: str, filled: int, counts: dict[str, int]) -> tuple[LogicalType, str]:
    if native.startswith("TIMESTAMP"):
        return "timestamp", f"{native} in the file"
    if native.startswith("DECIMAL"):
        return "number", f"{native} in the file"
    kind = _NATIVE.get(native, "string")
    if native in ("DOUBLE", "FLOAT") and filled and counts["integers"] == filled:
        return "integer", f"{native} in the file, all of them whole"
    return kind, f"{native} in the file"


def _with_dates(con: duckdb.DuckDBPyConnection, columns: Sequence[ColumnProfile]) -> list[ColumnProfile]:
    """The columns with their dates read; columns that decide day or month come first and help the others."""
    readings: dict[int, DateReading] = {}
    candidates = [c for c in columns if _may_hold_dates(c)]
    for column in candidates:
        reading = read_dates(con, column.column, [value for value, _ in column.sample])
        if reading is not None:
            readings[column.position] = reading
    for column in candidates:
        reading = readings.get(column.position)
        if reading is not None and reading.ambiguous:
            readings[column.position] = (
                read_dates(con, column.column, [value for value, _ in column.sample], list(readings.values()))
                or reading
            )
    return [_typed_by_dates(column, readings.get(column.position)) for column in columns]


def _may_hold_dates(column: ColumnProfile) -> bool:
    return column.native_type is None and column.type in ("string", "integer") and 6 <= column.longest <= 40


def _typed_by_dates(column: ColumnProfile, reading: DateReading | None) -> ColumnProfile:
    if reading is None:
        return column
    return replace(
        column, dates=reading, type=reading.kind if reading.whole else "string", type_evidence=reading.evidence
    )
