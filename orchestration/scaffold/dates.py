"""Which way a file writes its dates, told from the dates themselves.

Belongs here: the formats that are tried, and the choice between day-first and month-first. Does not belong here:
reading dates day by day, which the contract's format does.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from orchestration.scaffold.files import FILE_TABLE
from orchestration.sources.contract import strptime_format
from orchestration.sources.names import literal

ISO = ""
"""The format of ISO 8601, which a contract does not name."""

_DAY_FIRST = ("dd/MM/yyyy", "dd.MM.yyyy", "dd-MM-yyyy", "dd/MM/yy", "dd.MM.yy", "dd-MM-yy")
_MONTH_FIRST = ("MM/dd/yyyy", "MM.dd.yyyy", "MM-dd-yyyy", "MM/dd/yy", "MM.dd.yy", "MM-dd-yy")
_PLAIN = (
    "yyyyMMdd", "yyyy/MM/dd", "yyyy.MM.dd", "dd MMM yyyy", "dd MMMM yyyy", "dd-MMM-yyyy", "MMM dd, yyyy",
    "MMMM dd, yyyy", "MMM dd yyyy",
)  # fmt: skip
_TIMES = (" HH:mm:ss", " HH:mm", " hh:mm a", " hh:mm:ss a", "'T'HH:mm:ss", "HHmmss")
_MIRRORED = dict(zip((*_DAY_FIRST, *_MONTH_FIRST), (*_MONTH_FIRST, *_DAY_FIRST), strict=True))
# Distinct values on which the formats are tried before the whole column is.
_TRIED = 1000
# Below this share of readable values a column holds no dates.
_LEAST_SHARE = 0.8
# Numbers such as 20240131 are dates only when nearly all of them are; order numbers of eight digits are not.
_LEAST_SHARE_OF_NUMBERS = 0.9
_EARLIEST, _LATEST = 1000, 2200
_ISO_SHAPE = r"^\d{4}-\d{1,2}-\d{1,2}([T ]\d{2}:\d{2}.*)?$"
_ISO_TIME_SHAPE = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"


@dataclass(frozen=True)
class DateReading:
    """How a column's dates read: formats best first (`""` is ISO 8601), and how sure that is."""

    kind: Literal["date", "timestamp"]
    formats: tuple[str, ...]
    share: float
    """Of the values that are there, how many read as dates."""
    evidence: str
    ambiguous: bool = False
    """Nothing in the file tells day from month."""

    @property
    def whole(self) -> bool:
        """Every value reads by one format: the contract can type the column."""
        return self.share == 1.0 and len(self.formats) == 1

    @property
    def short_years(self) -> bool:
        """Years of two digits."""
        return any("yyyy" not in form and form != ISO for form in self.formats)


def read_dates(
    con: duckdb.DuckDBPyConnection, column: str, values: Sequence[str], hints: Sequence[DateReading] = ()
) -> DateReading | None:
    """How the text column `column` of the profiled file writes dates; None when it holds none.

    `values` are some of its values, by which most formats are ruled out before the column is read.
    `hints` are the readings of the file's other columns: a file writes all its dates in one order of day and month.
    """
    possible = _possible(values)
    promising = _counts(con, column, possible, sample=True) if possible else {}
    if not promising:
        return None
    counts = _counts(con, column, tuple(promising), sample=False)
    total = con.execute(f"select count(*) from {FILE_TABLE} where trim({column}) <> ''").fetchall()[0][0]
    form = _best(counts, hints)
    formats, covered = [form], counts[form]
    # Some files mix formats: a second one counts when it reads what the first cannot. Never the mirror of the first:
    # a day of 31 in the month's place is an error, and reading it the other way round would hide that.
    others = [
        (count, other)
        for other, count in counts.items()
        if other not in (form, _mirror(form)) and _kind(other) == _kind(form)
    ]
    for _, other in sorted(others, key=lambda pair: (-pair[0], pair[1])):
        together = _covered(con, column, [*formats, other])
        if together > covered and len(formats) < 3:
            formats.append(other)
            covered = together
    share = covered / total if total else 0.0
    if share < (_LEAST_SHARE_OF_NUMBERS if form == "yyyyMMdd" else _LEAST_SHARE):
        return None
    kind: Literal["date", "timestamp"] = "timestamp" if _kind(form) == "timestamp" else "date"
    if form == ISO:
        shape = f"regexp_matches({column}, {literal(_ISO_TIME_SHAPE)})"
        timed = con.execute(f"select count(*) from {FILE_TABLE} where {shape}").fetchall()[0][0]
        kind = "timestamp" if timed * 2 > covered else "date"
    ambiguous, why = _order_of_parts(form, counts, hints)
    written = " and ".join(known or "ISO 8601" for known in formats)
    return DateReading(kind, tuple(formats), share, f"{_percent(share)} are dates as {written}{why}", ambiguous)


def _candidates() -> tuple[str, ...]:
    days = (*_DAY_FIRST, *_MONTH_FIRST, *_PLAIN)
    timed = (f"{day}{clock}" for day in days for clock in _TIMES if (clock == "HHmmss") == (day == "yyyyMMdd"))
    return (ISO, *days, *timed)


def _possible(values: Sequence[str]) -> tuple[str, ...]:
    """The formats whose signs between the parts stand in some of the values; none for text that cannot hold dates."""
    dated = [value for value in values if len(value) >= 6 and sum(map(str.isdigit, value)) >= 3]
    if len(dated) < _LEAST_SHARE * len(values) * 0.9:
        return ()
    signs = {frozenset(re.sub(r"[\w']", "", value)) for value in dated}
    letters = any(re.search(r"[A-Za-z]{3}", value) for value in dated)
    possible = []
    for form in _candidates():
        needed = frozenset(re.sub(r"[\w']", "", form))
        if ("MMM" not in form or letters) and (form == ISO or needed in signs):
            possible.append(form)
    return tuple(possible)


def _kind(form: str) -> str:
    return "iso" if form == ISO else "timestamp" if ":" in form or form.endswith("HHmmss") else "date"


def _mirror(form: str) -> str | None:
    for day, other in _MIRRORED.items():
        if form == day or form.startswith(f"{day} ") or form.startswith(f"{day}'"):
            return other + form[len(day) :]
    return None


def _readable(column: str, form: str) -> str:
    """SQL: whether the value reads by the format, by the expressions that the loader uses."""
    if form == ISO:
        return f"(regexp_matches({column}, {literal(_ISO_SHAPE)}) and try_cast({column} as timestamptz) is not null)"
    parsed = f"try_strptime({column}, {literal(strptime_format(form))})"
    # strptime reads 31 as the year 31 AD where four digits are meant, and eight digits of any number.
    shape = r"(^|[^0-9])[0-9]{4}($|[^0-9])" if "yyyy" in form and not form.startswith("yyyyMMdd") else "."
    plausible = f"year({parsed}) between {_EARLIEST} and {_LATEST}"
    digits = {"yyyyMMdd": 8, "yyyyMMddHHmmss": 14}.get(form)
    length = f"and length(trim({column})) = {digits}" if digits else ""
    return f"(regexp_matches({column}, {literal(shape)}) and coalesce({plausible}, false) {length})"


def _counts(con: duckdb.DuckDBPyConnection, column: str, formats: Sequence[str], *, sample: bool) -> Mapping[str, int]:
    """How many values each format reads; formats that read none are left out."""
    selected = ", ".join(f"count(*) filter (where {_readable('value', form)})" for form in formats)
    values = f"select {column} as value from {FILE_TABLE} where trim({column}) <> ''"
    if sample:
        values = f"select value from ({values}) group by value order by md5(value) limit {_TRIED}"
    row = con.execute(f"select {selected} from ({values})").fetchall()[0]
    return {form: int(count) for form, count in zip(formats, row, strict=True) if count}


def _covered(con: duckdb.DuckDBPyConnection, column: str, formats: Sequence[str]) -> int:
    any_of = " or ".join(_readable(column, form) for form in formats)
    return int(con.execute(f"select count(*) from {FILE_TABLE} where {any_of}").fetchall()[0][0])


def _best(counts: Mapping[str, int], hints: Sequence[DateReading]) -> str:
    """The format that reads most; between day-first and month-first with equal counts, see `_order_of_parts`."""
    order = _candidates()
    best = max(counts, key=lambda form: (counts[form], "yyyy" in form or form == ISO, -order.index(form)))
    mirror = _mirror(best)
    if mirror is None or counts.get(mirror) != counts[best]:
        return best
    day_first = _hinted(hints)
    if day_first is None:
        # As birth dates are read elsewhere: only day-first countries write dots; month first otherwise.
        day_first = "." in best
    return next(form for form in (best, mirror) if form.startswith("dd") == day_first)


def _hinted(hints: Sequence[DateReading]) -> bool | None:
    """Whether the file's other dates put the day first; None when none of them tells."""
    for hint in hints:
        if not hint.ambiguous and _mirror(hint.formats[0]) is not None:
            return hint.formats[0].startswith("dd")
    return None


def _order_of_parts(form: str, counts: Mapping[str, int], hints: Sequence[DateReading]) -> tuple[bool, str]:
    mirror = _mirror(form)
    if mirror is None:
        return False, ""
    first = "day" if form.startswith("dd") else "month"
    deciding = counts[form] - counts.get(mirror, 0)
    if deciding:
        return False, f"; {deciding:,} of them can only be read {first} first"
    if _hinted(hints) is not None:
        return False, f"; {first} first as in the file's other dates"
    return True, f"; no value tells day from month: taken {first} first"


def _percent(share: float) -> str:
    return "all" if share == 1.0 else f"{100 * share:.1f} percent"
