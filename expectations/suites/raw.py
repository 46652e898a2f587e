"""The suite of any raw table, derived from its data contract: nothing is written twice.

Types, and lines that are no rows, are the loader's; keys across load dates are dbt's. Here: what one delivered row must
hold, and how the day as a whole looks.
"""

from datetime import timedelta
from typing import Any

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput
from orchestration.quality.errors import GateError
from orchestration.quality.results import Severity
from orchestration.sources.contract import Column, Table

# Source clocks run ahead, and days end at different hours around the world.
CLOCK_TOLERANCE = timedelta(days=2)
_TEXT = "varchar"
_ORDERED = ("bigint", "double", "date", "timestamp")
_WARNING_SEVERITIES = ("warning", "info", "low", "minor")


def build(given: SuiteInput) -> list[Expectation]:
    """The expectations of one raw table.

    Raises GateError when the contract's table is not given, or one of its quality rules cannot be understood.
    """
    table = given.table
    if table is None:
        raise GateError("the raw gate needs the contract's table: its suite is derived from it")
    suite = _arrival(given)
    if table.keys:
        suite.append(_unique_key(table))
    for column in table.columns:
        suite += _column(column)
    suite += _not_from_the_future(table, given)
    for number, rule in enumerate(table.quality):
        suite += _quality_rule(table, rule, number)
    return suite


def _arrival(given: SuiteInput) -> list[Expectation]:
    gate = given.gate
    if gate is None or not (gate.owed_rows or gate.expects_rows):
        return []
    severity: Severity = "block" if gate.owed_rows else "warn"
    sentence = f"rows were delivered for {given.load_date}"
    return [checks.row_count(1, None, sentence, severity=severity)]


def _unique_key(table: Table) -> Expectation:
    """A delivery may hold several versions of a record, told apart by the version column, but none of them twice."""
    keys = [column.name for column in table.keys]
    if table.version_column and table.version_column not in keys:
        keys.append(table.version_column)
    return checks.no_repeats(keys, ("_file", "_row"))


def _column(column: Column) -> list[Expectation]:
    options, name = column.options, column.name
    suite: list[Expectation] = []
    if column.required:
        suite.append(checks.not_null(name))
    if "pattern" in options and column.type == _TEXT:
        suite.append(checks.matches(name, options["pattern"]))
    if column.type == _TEXT and ("minLength" in options or "maxLength" in options):
        suite.append(checks.length(name, options.get("minLength"), options.get("maxLength")))
    if _is_ordered(column) and ("minimum" in options or "maximum" in options):
        suite.append(checks.between(name, options.get("minimum"), options.get("maximum")))
    for bound, operator in (("exclusiveMinimum", ">"), ("exclusiveMaximum", "<")):
        value = options.get(bound)
        if _is_ordered(column) and value is not None and not isinstance(value, bool):
            predicate = f'"{name}" {operator} {_literal(value)}'
            suite.append(checks.satisfies(f"{bound}:{name}", name, predicate, f"{name} is {operator} {value}"))
    if column.valid_values:
        suite.append(_one_of(column))
    return suite


def _one_of(column: Column) -> Expectation:
    if column.type == _TEXT:
        return checks.one_of(column.name, column.valid_values)
    # The contract writes its values as text; they are compared as the column's type.
    values = ", ".join(f"cast({_literal(value)} as {column.type})" for value in column.valid_values)
    listed = ", ".join(column.valid_values)
    return checks.satisfies(
        f"expect_column_values_to_be_in_set:{column.name}",
        column.name,
        f'"{column.name}" in ({values})',
        f"{column.name} is one of {listed}",
    )


def _not_from_the_future(table: Table, given: SuiteInput) -> list[Expectation]:
    """A version dated in the future would win over every later correction until that day comes."""
    column = next((column for column in table.columns if column.name == table.version_column), None)
    if column is None or column.type not in ("date", "timestamp"):
        return []
    latest = given.load_date + CLOCK_TOLERANCE
    return [
        checks.satisfies(
            f"not_from_the_future:{column.name}",
            column.name,
            f"\"{column.name}\" < timestamp '{latest} 00:00:00'",
            f"{column.name} is before {latest}, the load date and its tolerance of {CLOCK_TOLERANCE.days} days",
        )
    ]


def _quality_rule(table: Table, rule: dict[str, Any], number: int) -> list[Expectation]:
    """A rule of the standard: `library` metrics and `sql`. Rules of other types are for other tools and are passed over."""
    kind = rule.get("type", "library")
    severity: Severity = "warn" if str(rule.get("severity", "")).lower() in _WARNING_SEVERITIES else "block"
    if kind == "sql":
        query = str(rule.get("query", ""))
        for placeholder in ("${object}", "{object}", "${table}", "{table}", table.file_glob):
            query = query.replace(placeholder, checks.BATCH)
        return [_scalar_rule(table, rule, number, query, severity)]
    if kind != "library":
        return []
    metric = rule.get("metric") or rule.get("rule")
    if metric == "invalidValues" and not rule.get("arguments"):
        return []  # The limit of bad rows: see orchestration.quality.limits.
    count = _metric_sql(table, metric, rule, number)
    if rule.get("unit") == "percent":
        count = f"100.0 * ({count}) / greatest((select count(*) from {checks.BATCH}), 1)"
    return [_scalar_rule(table, rule, number, f"select {count}", severity)]


def _metric_sql(table: Table, metric: str | None, rule: dict[str, Any], number: int) -> str:
    arguments = rule.get("arguments") or {}
    properties = [str(name) for name in arguments.get("properties", [])]
    where = f"{table.raw_name}: quality[{number}]"
    unknown = set(properties) - {column.name for column in table.columns}
    if unknown:
        raise GateError(
            f"{where}: arguments.properties names {', '.join(sorted(unknown))}, which the table does not have"
        )
    columns = ", ".join(f'"{name}"' for name in properties)
    if metric == "rowCount":
        return f"(select count(*) from {checks.BATCH})"
    if metric in ("duplicateValues", "duplicateCount") and properties:
        return f"(select count(*) - count(distinct ({columns})) from {checks.BATCH})"
    if metric in ("nullValues", "missingValues") and properties:
        missing = " or ".join(f'"{name}" is null' for name in properties)
        return f"(select count(*) filter (where {missing}) from {checks.BATCH})"
    raise GateError(
        f"{where}: metric {metric!r} is not understood here; known for a table are rowCount, duplicateValues, "
        "nullValues and missingValues, the last three with arguments.properties, and invalidValues in percent"
    )


def _scalar_rule(table: Table, rule: dict[str, Any], number: int, query: str, severity: Severity) -> Expectation:
    low, high = _limits(table, rule, number)
    label = rule.get("name") or rule.get("metric") or rule.get("rule") or f"rule_{number}"
    sentence = rule.get("description") or f"the contract's rule {label} holds"
    return checks.scalar(f"quality[{number}]:{label}", query, sentence, low=low, high=high, severity=severity)


def _limits(table: Table, rule: dict[str, Any], number: int) -> tuple[float | None, float | None]:
    """The rule's bounds, both included. Counts are whole, so `less than 5` is `at most 4`; shares get the next float."""
    step = 1.0 if rule.get("unit") != "percent" else 1e-9
    if rule.get("mustBe") is not None:
        return float(rule["mustBe"]), float(rule["mustBe"])
    if rule.get("mustBeBetween"):
        low, high = rule["mustBeBetween"]
        return float(low), float(high)
    low = rule.get("mustBeGreaterOrEqualTo")
    if low is None and rule.get("mustBeGreaterThan") is not None:
        low = rule["mustBeGreaterThan"] + step
    high = rule.get("mustBeLessOrEqualTo")
    if high is None and rule.get("mustBeLessThan") is not None:
        high = rule["mustBeLessThan"] - step
    if low is None and high is None:
        raise GateError(
            f"{table.raw_name}: quality[{number}] has no bound that is understood; give mustBe, mustBeBetween, "
            "mustBeLessThan, mustBeLessOrEqualTo, mustBeGreaterThan or mustBeGreaterOrEqualTo"
        )
    return (None if low is None else float(low)), (None if high is None else float(high))


def _is_ordered(column: Column) -> bool:
    return column.type in _ORDERED or column.type.startswith("decimal")


def _literal(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"
