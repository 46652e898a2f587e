"""Typing landed text by the contract: the SQL of each column, and the survey that says which values have no type.

Belongs here: the one reading of every type, and telling a column of another type from rows with a wrong value. Does not
belong here: where rows go then (see `load`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from orchestration.sources.contract import Column, Table
from orchestration.sources.drift import filled, looks_like, retyped
from orchestration.sources.errors import DriftError, RefusedColumn
from orchestration.sources.names import literal, quote

_DIGIT = "[0-9]"
_DAY = f"{_DIGIT * 4}-[0-1]{_DIGIT}-[0-3]{_DIGIT}"
_TIME = f"[0-2]{_DIGIT}:[0-5]{_DIGIT}:[0-5]{_DIGIT}"
# ISO forms that a cast reads as strptime does, eight times as fast. A cast takes more than the form (`infinity`, other
# separators, a missing time), so that only text of exactly this shape may go by it. Of that shape strptime and cast
# disagree on one: hour 24, which a cast takes for midnight.
_CAST_SHAPES = {
    "%Y-%m-%dT%H:%M:%S%z": f"{_DAY}T{_TIME}Z",
    "%Y-%m-%d %H:%M:%S%z": f"{_DAY} {_TIME}Z",
    "%Y-%m-%dT%H:%M:%S": f"{_DAY}T{_TIME}",
    "%Y-%m-%d %H:%M:%S": f"{_DAY} {_TIME}",
}
_HOUR_24 = "*[T ]24:*"


@dataclass(frozen=True)
class Survey:
    """How many rows of the landed table have a value in each column, and a value that is none of its type."""

    rows: int
    filled: Mapping[str, int]
    """By the column's name, unknown columns included."""
    untypable: Mapping[str, int]
    """Only of the columns that can fail to be typed."""

    @property
    def bad(self) -> list[str]:
        """Names of the columns that have values of no type."""
        return [name for name, count in self.untypable.items() if count]


def typed(column: Column, landed_type: str) -> str:
    """SQL that gives the landed value the contract's type, or null when it has none."""
    name = quote(column.name)
    if landed_type != "VARCHAR":
        return f"try_cast({name} as {column.type})"
    if column.type == "varchar":
        return f"nullif({name}, '')"
    if column.type == "json":
        return f"case when json_valid({name}) then {name}::json end"
    if column.date_format is not None:
        return _parsed(name, column.date_format, column.type)
    if column.type == "timestamp":
        return f"try_cast({name} as timestamptz)::timestamp"
    return f"try_cast({name} as {column.type})"


def _parsed(name: str, form: str, kind: str) -> str:
    text = name
    if form.endswith("%z"):
        # strptime knows offsets but not the letter that ISO 8601 writes for UTC.
        text = f"case when suffix(upper({name}), 'Z') then left({name}, -1) || '+00:00' else {name} end"
    parsed = f"try_strptime({text}, {literal(form)})::{kind}"
    shape = _CAST_SHAPES.get(form) if kind == "timestamp" else None
    if shape is None:
        return parsed
    fits = f"{name} glob {literal(shape)} and not {name} glob {literal(_HOUR_24)}"
    return f"case when {fits} then try_cast({name} as timestamp) else {parsed} end"


def expected(column: Column) -> str:
    """The column's type and form, for people."""
    return column.type + (f" in the form {column.date_format}" if column.date_format else "")


def landed_types(con: duckdb.DuckDBPyConnection, landed: str) -> dict[str, str]:
    """DuckDB's type of each column of the landed table."""
    return {row[0]: row[1] for row in con.execute(f"describe {landed}").fetchall()}


def untypable(column: Column, landed_type: str) -> str:
    """SQL that says, true or false, whether a landed row has a value in the column that is none of its type."""
    name = quote(column.name)
    given = filled(column.name) if landed_type == "VARCHAR" else "true"
    return f"({name} is not null and {given} and {typed(column, landed_type)} is null)"


def survey(con: duckdb.DuckDBPyConnection, table: Table, landed: str) -> Survey:
    """Look at every landed value once: is there one, and has it the contract's type?"""
    types = landed_types(con, landed)
    names = [name for name in types if name not in ("_file", "_row")]
    checked = [
        column
        for column in table.columns
        if not (column.type == "varchar" or types[column.name] == column.type.upper())
    ]
    counted = [f"count(*) filter (where {filled(name)})" for name in names]
    counted += [f"count(*) filter (where {untypable(column, types[column.name])})" for column in checked]
    rows, *counts = con.execute(f"select count(*), {', '.join(counted)} from {landed}").fetchall()[0]
    return Survey(
        rows,
        dict(zip(names, counts[: len(names)], strict=True)),
        {column.name: count for column, count in zip(checked, counts[len(names) :], strict=True)},
    )


def refuse_retyped(con: duckdb.DuckDBPyConnection, table: Table, where: str, landed: str, found: Survey) -> None:
    """Tell a column that has changed its type from rows with a wrong value: the first stops the table.

    Args:
        where: source and day, for the message.

    Raises DriftError.
    """
    changed = [
        (column, looks_like(con, landed, column.name))
        for column in table.columns
        if column.name in found.untypable and retyped(found.filled[column.name], found.untypable[column.name])
    ]
    if changed:
        told = "; ".join(
            f"{column.physical_name!r} is no {expected(column)} in {found.untypable[column.name]:,} of "
            f"{found.filled[column.name]:,} values, which look like {look}"
            for column, look in changed
        )
        raise DriftError(
            f"{where}: the type of a whole column of {table.name} has changed: {told}. "
            "Give the column its new type or format in the contract, or ask for the file again.",
            [RefusedColumn(column.physical_name, "refused_retyped", look) for column, look in changed],
        )
