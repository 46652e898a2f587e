"""Schema drift: how a delivered file's columns differ from the contract, what the contract's policy makes of it, and the
words for it.

Belongs here: telling missing, unknown, renamed and retyped columns apart, and the names under which unknown columns land.
Does not belong here: reading files (see `read`) and the history of schemas (see `quality.profiles`).
"""

import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from orchestration.quality.profiles import ColumnProfile
from orchestration.sources.contract import Column, Contract, DriftPolicy, Table
from orchestration.sources.errors import RefusedColumn

# Likeness of two columns, 0 to 1. Of names: difflib's ratio; 0.6 joins `points` and `point`, not `city` and `county`.
NAME_LIKENESS = 0.6
# Of content: 0.8 joins two columns of dates or of e-mails, not names and e-mails.
CONTENT_LIKENESS = 0.8
SAMPLED_VALUES = 1000
# A column has changed its type when at least this share of at least so many values are no values of the contract's type.
# Hand-typed columns have single percents of such values; below ten values chance decides.
RETYPED_SHARE = 0.9
RETYPED_MIN_VALUES = 10
# Tried in this order for the type that values look like.
_TYPES = ("bigint", "double", "boolean", "date", "timestamp")

if TYPE_CHECKING:
    from orchestration.sources.typed import Survey

Sample = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Extra:
    """A delivered column that the contract does not know, and its name in `raw`."""

    physical_name: str
    name: str


@dataclass(frozen=True)
class DriftRules:
    """What may differ: the contract's policy, and which of its columns have been delivered before or on the day."""

    policy: DriftPolicy = "strict"
    seen: frozenset[str] | None = None
    """Names of columns; None when all have to be there."""

    def may_lack(self, column: Column) -> bool:
        """Whether a file may be without the column: one that the contract gained after the file was written."""
        return (
            self.policy == "evolve" and self.seen is not None and column.name not in self.seen and not column.required
        )


@dataclass(frozen=True)
class Accepted:
    """How a file whose columns are acceptable is read."""

    lacking: frozenset[str]
    """Names of columns that the file does not have and that are null in its rows."""
    extras: tuple[Extra, ...]
    """Unknown columns to be landed."""
    left_out: tuple[str, ...]
    """Physical names of unknown columns that are not landed."""


@dataclass(frozen=True)
class Refused:
    """Why a file's columns are not acceptable."""

    problems: str
    """In the words of the message."""
    columns: tuple[RefusedColumn, ...]


def judge(
    con: duckdb.DuckDBPyConnection, found: Sequence[str], table: Table, rules: DriftRules, sample: Sample
) -> Accepted | Refused:
    """Compare a file's columns with the contract.

    Args:
        found: physical names as delivered.
        sample: gives some values of a delivered column as text, asked only when a rename is suspected.
    """
    expected = {column.physical_name for column in table.columns}
    unknown = [name for name in dict.fromkeys(found) if name not in expected]
    missing = [column for column in table.columns if column.physical_name not in set(found)]
    vanished = [column for column in missing if not rules.may_lack(column) or _resembles(column, unknown)]
    repeated = sorted(name for name, count in Counter(found).items() if count > 1)
    if vanished or repeated or (unknown and rules.policy == "strict"):
        return _refused(con, table, vanished, unknown, repeated, sample)
    lacking = frozenset(column.name for column in missing)
    if rules.policy == "evolve":
        return Accepted(lacking, _named(table, unknown), ())
    return Accepted(lacking, (), tuple(unknown))


def _resembles(column: Column, unknown: Sequence[str]) -> bool:
    return any(name_likeness(column.physical_name, name) >= NAME_LIKENESS for name in unknown)


def strangers(unknown: Sequence[str], table: Table, rules: DriftRules) -> Accepted | Refused:
    """The same for a format in which a field may be absent from any row: only unknown ones are drift."""
    if unknown and rules.policy == "strict":
        problems = f"not in the contract: {', '.join(map(repr, unknown))}"
        return Refused(problems, tuple(RefusedColumn(name, "refused_unknown") for name in unknown))
    if rules.policy == "evolve":
        return Accepted(frozenset(), _named(table, unknown), ())
    return Accepted(frozenset(), (), tuple(unknown))


def _refused(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    vanished: Sequence[Column],
    unknown: Sequence[str],
    repeated: Sequence[str],
    sample: Sample,
) -> Refused:
    problems, columns = [], []
    if vanished:
        named = []
        for column in vanished:
            likely = _renamed_to(con, table, column, unknown, sample)
            named.append(repr(column.physical_name) + (f" ({likely})" if likely else ""))
            columns.append(RefusedColumn(column.physical_name, "refused_renamed?" if likely else "refused_missing"))
        problems.append(f"missing: {', '.join(named)}")
    if unknown:
        problems.append(f"not in the contract: {', '.join(map(repr, unknown))}")
        columns += [RefusedColumn(name, "refused_unknown") for name in unknown]
    if repeated:
        problems.append(f"standing twice: {', '.join(map(repr, repeated))}")
        columns += [RefusedColumn(name, "refused_repeated") for name in repeated]
    return Refused("; ".join(problems), tuple(columns))


def _renamed_to(
    con: duckdb.DuckDBPyConnection, table: Table, column: Column, unknown: Sequence[str], sample: Sample
) -> str | None:
    """The unknown column that is most like the vanished one, by its name and by what it holds; None when none is."""
    if not unknown:
        return None
    before = _earlier_values(con, table, column)
    scored = []
    for name in unknown:
        by_name = name_likeness(column.physical_name, name)
        by_content = content_likeness(before, sample(name)) if before else 0.0
        if by_name >= NAME_LIKENESS or by_content >= CONTENT_LIKENESS:
            scored.append((by_name + by_content, by_name, by_content, name))
    if not scored:
        return None
    _, by_name, by_content, name = max(scored)
    if by_content < CONTENT_LIKENESS:
        return f"renamed to {name!r}?"
    likeness = "name and values are alike" if by_name >= NAME_LIKENESS else "its values look alike"
    return f"renamed to {name!r}? {likeness}"


def name_likeness(one: str, other: str) -> float:
    """How alike two column names are, apart from case and separators, from 0 to 1."""
    return difflib.SequenceMatcher(None, _bare(one), _bare(other)).ratio()


def content_likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """How alike what two columns hold is, from 0 to 1: the overlap of their values, or of their values' shapes.

    A value's shape has its runs of letters, digits and spaces each as one character: `ann@x.org` is `a@a.a`.
    """
    if not one or not other:
        return 0.0
    shared = len(set(one) & set(other)) / min(len(set(one)), len(set(other)))
    shapes, others = Counter(map(_shape, one)), Counter(map(_shape, other))
    overlap = sum(min(count / len(one), others[shape] / len(other)) for shape, count in shapes.items())
    return max(shared, overlap)


def _shape(value: str) -> str:
    for pattern, sign in ((r"\d+", "9"), (r"[^\W\d_]+", "a"), (r"\s+", " ")):
        value = re.sub(pattern, sign, value)
    return value


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _earlier_values(con: duckdb.DuckDBPyConnection, table: Table, column: Column) -> list[str]:
    there = con.execute(
        """
        select count(*) from duckdb_columns()
        where schema_name = 'raw' and table_name = ? and column_name = ? and database_name = current_database()
        """,
        [table.raw_name, column.name],
    ).fetchall()[0][0]
    if not there:
        return []
    value = f'"{column.name}"'
    if column.date_format is not None:
        quoted = column.date_format.replace("'", "''")
        value = f"strftime({value}, '{quoted}')"
    rows = con.execute(
        f"""
        select distinct {value}::varchar as value
        from raw."{table.raw_name}"
        where "{column.name}" is not null
        order by value
        limit {SAMPLED_VALUES}
        """
    ).fetchall()
    return [row[0] for row in rows]


def _named(table: Table, unknown: Sequence[str]) -> tuple[Extra, ...]:
    taken = {column.name for column in table.columns}
    extras = []
    for physical in sorted(unknown):
        name = snake_case(physical)
        if name in taken:
            name = f"{name}_{hashlib.sha256(physical.encode()).hexdigest()[:6]}"
        taken.add(name)
        extras.append(Extra(physical, name))
    return tuple(extras)


def snake_case(physical: str) -> str:
    """A delivered name as a column name: `EmailAddress` and `email address` are `email_address`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", physical)
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
    return name if name and name[0].isalpha() else f"column_{name}".rstrip("_")


def retyped(filled: int, untypable: int) -> bool:
    """Whether so many values are none of the contract's type that the column, not single rows, has changed."""
    return filled >= RETYPED_MIN_VALUES and untypable >= RETYPED_SHARE * filled


def looks_like(con: duckdb.DuckDBPyConnection, relation: str, column: str) -> str:
    """The type that the values of a text column look like."""
    counts = ", ".join(f'count(try_cast("{column}"::varchar as {kind}))' for kind in _TYPES)
    filled, *typed = con.execute(
        f"select count(*), {counts} from {relation} where trim(\"{column}\"::varchar) <> ''"
    ).fetchall()[0]
    return next((kind for kind, count in zip(_TYPES, typed, strict=True) if filled and count == filled), "varchar")


def filled(name: str) -> str:
    """SQL that says whether a landed row has a value in the column."""
    # Cutting one end is enough to tell blanks from a value, and costs a third.
    return f"ltrim(\"{name}\"::varchar) <> ''"


def profile_landed(
    con: duckdb.DuckDBPyConnection, contract: Contract, table: Table, landed: str, found: str, counts: "Survey"
) -> list[ColumnProfile]:
    """How a day's landed rows look, column by column: names and counts.

    Args:
        landed: temporary table of the rows.
        found: temporary table of the physical names that the day's files have.
        counts: how many values the landed columns have.
    """
    nested = contract.server.format == "jsonl"
    delivered = {row[0] for row in con.execute(f"select distinct physical_name from {found}").fetchall()}
    types = {row[0]: row[1].lower() for row in con.execute(f"describe {landed}").fetchall()}
    physical = {c.name: c.physical_name.split(".")[0] if nested else c.physical_name for c in table.columns}
    left_out = delivered - set(physical.values())
    extras = sorted(name for name in types if name not in physical and name not in ("_file", "_row"))
    left_out -= {extra.physical_name for extra in _named(table, sorted(left_out)) if extra.name in extras}
    rows, given = counts.rows, counts.filled
    typed = {c.name: types[c.name] if contract.server.format == "parquet" else c.type for c in table.columns}
    return [
        *(
            ColumnProfile(name, typed[name] if at in delivered else None, True, True, rows, given[name])
            for name, at in physical.items()
        ),
        *(ColumnProfile(name, looks_like(con, landed, name), False, True, rows, given[name]) for name in extras),
        *(ColumnProfile(name, "unknown", False, False, rows, 0) for name in sorted(left_out)),
    ]


def policy_sentence(contract: Contract) -> str:
    """The way out, for a message: what to change, by the contract's policy."""
    way = f"If this is how {contract.source} delivers from now on, change its contract"
    if contract.drift_policy == "strict":
        way += " (driftPolicy evolve or ignore lets unknown columns pass)"
    return f"{way}; otherwise ask for the file again."
