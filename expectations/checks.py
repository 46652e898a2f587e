"""The vocabulary in which suites are written: each function builds one expectation with what the gate needs to know.

Every expectation carries in its meta: `check` (its name, unique within the suite), `level` (`row`: the row is held back;
`table`: the table is judged), `severity` (`block` or `warn`), `sentence` (what is expected, for people), `threshold` (the
bound, for people) and `column`.

Belongs here: building expectations. Does not belong here: which table expects what (see `suites`).
"""

from collections.abc import Sequence
from typing import Any

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import ColumnMapExpectation, Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

from expectations.custom.rows import ExpectKeyNotToRepeat, ExpectRowsToSatisfy
from expectations.custom.scalar import BATCH, ExpectScalarToBeBetween
from orchestration.quality.results import Level, Severity

__all__ = [
    "BATCH", "between", "length", "matches", "no_repeats", "not_null", "one_of", "row_count", "satisfies", "scalar", "share",
]  # fmt: skip

# Great Expectations' own words for severity, shown in Data Docs.
_GX_SEVERITY: dict[Severity, FailureSeverity] = {"block": FailureSeverity.CRITICAL, "warn": FailureSeverity.WARNING}


def not_null(column: str, sentence: str | None = None, *, severity: Severity = "block") -> Expectation:
    """Each row has a value in the column."""
    kind = gxe.ExpectColumnValuesToNotBeNull
    return _row(kind, column, sentence or f"{column} is given", "not null", severity)


def matches(column: str, regex: str, sentence: str | None = None, *, severity: Severity = "block") -> Expectation:
    """Each value matches the pattern (RE2 syntax; anchor it yourself). Nulls are left to `not_null`."""
    kind = gxe.ExpectColumnValuesToMatchRegex
    return _row(kind, column, sentence or f"{column} has the form {regex}", regex, severity, regex=regex)


def one_of(
    column: str, values: Sequence[Any], sentence: str | None = None, *, severity: Severity = "block"
) -> Expectation:
    """Each value is one of a list. Nulls are left to `not_null`."""
    listed = ", ".join(str(value) for value in values)
    return _row(
        gxe.ExpectColumnValuesToBeInSet,
        column,
        sentence or f"{column} is one of {listed}",
        listed,
        severity,
        value_set=list(values),
    )


def between(
    column: str,
    low: Any = None,
    high: Any = None,
    sentence: str | None = None,
    *,
    severity: Severity = "block",
) -> Expectation:
    """Each value lies between two bounds, both included; a bound of None is open."""
    bounds = _bounds(low, high)
    return _row(
        gxe.ExpectColumnValuesToBeBetween,
        column,
        sentence or f"{column} is {bounds}",
        bounds,
        severity,
        min_value=low,
        max_value=high,
    )


def length(
    column: str,
    low: int | None = None,
    high: int | None = None,
    sentence: str | None = None,
    *,
    severity: Severity = "block",
) -> Expectation:
    """Each value has a number of characters between two bounds, both included."""
    bounds = _bounds(low, high)
    return _row(
        gxe.ExpectColumnValueLengthsToBeBetween,
        column,
        sentence or f"{column} has {bounds} characters",
        f"{bounds} characters",
        severity,
        min_value=low,
        max_value=high,
    )


def satisfies(name: str, column: str, predicate: str, sentence: str, *, severity: Severity = "block") -> Expectation:
    """Each row satisfies a SQL predicate; unknown counts as satisfied. `column` is the one shown for a row that fails."""
    return ExpectRowsToSatisfy(
        column=column,
        predicate=predicate,
        severity=_GX_SEVERITY[severity],
        meta=_meta(name, "row", severity, sentence, predicate, column),
    )


def no_repeats(
    keys: Sequence[str], order_by: Sequence[str] = (), *, severity: Severity = "block", name: str = "unique_key"
) -> Expectation:
    """Each key stands once: its first row by `order_by` holds, the repeats fail."""
    listed = ", ".join(keys)
    return ExpectKeyNotToRepeat(
        column=keys[0],
        key_columns=list(keys),
        order_by=list(order_by),
        severity=_GX_SEVERITY[severity],
        meta=_meta(name, "row", severity, f"the key ({listed}) stands once", f"one row per ({listed})", None),
    )


def row_count(low: int | None, high: int | None, sentence: str, *, severity: Severity = "block") -> Expectation:
    """The table, or its load date, has between `low` and `high` rows."""
    return gxe.ExpectTableRowCountToBeBetween(
        min_value=low,
        max_value=high,
        severity=_GX_SEVERITY[severity],
        meta=_meta(
            "row_count",
            "table",
            severity,
            sentence,
            f"{_bounds(low, high)} row{'' if (high or low) == 1 else 's'}",
            None,
        ),
    )


def scalar(
    name: str,
    query: str,
    sentence: str,
    *,
    low: float | None = None,
    high: float | None = None,
    severity: Severity = "block",
    column: str | None = None,
) -> Expectation:
    """A number that SQL computes lies between two bounds, both included. `{batch}` stands for the rows under the gate."""
    return ExpectScalarToBeBetween(
        query=query,
        min_value=low,
        max_value=high,
        severity=_GX_SEVERITY[severity],
        meta=_meta(name, "table", severity, sentence, _bounds(low, high), column),
    )


def share(
    name: str,
    predicate: str,
    sentence: str,
    *,
    low: float | None = None,
    high: float | None = None,
    severity: Severity = "block",
    column: str | None = None,
) -> Expectation:
    """The share of rows (0 to 1) for which a predicate is true lies between two bounds; it is `low` in an empty table."""
    empty = low if low is not None else 0.0
    query = f"select coalesce(avg(case when {predicate} then 1.0 else 0.0 end), {empty}) from {BATCH}"
    return scalar(name, query, sentence, low=low, high=high, severity=severity, column=column)


def _row(
    kind: type[ColumnMapExpectation], column: str, sentence: str, threshold: str, severity: Severity, **kwargs: Any
) -> Expectation:
    name = f"{kind.expectation_type}:{column}"
    return kind(
        column=column,
        severity=_GX_SEVERITY[severity],
        meta=_meta(name, "row", severity, sentence, threshold, column),
        **kwargs,
    )


def _meta(
    check: str, level: Level, severity: Severity, sentence: str, threshold: str, column: str | None
) -> dict[str, Any]:
    return {
        "check": check,
        "level": level,
        "severity": severity,
        "sentence": sentence,
        "threshold": threshold,
        "column": column,
    }


def _bounds(low: Any, high: Any) -> str:
    if low is not None and high is not None:
        return f"exactly {low}" if low == high else f"between {low} and {high}"
    return f"at least {low}" if low is not None else f"at most {high}"
