"""Putting a suite's questions to a view by Great Expectations, and taking its answers apart.

Belongs here: everything between a list of expectations and plain answers: counts, the condition that failing rows meet,
and why a question could not be put. Does not belong here: what follows from an answer (see `gate`).

Great Expectations is asked for booleans only. Its fuller formats run one query for each expectation to fetch values,
and would keep values of persons in results, where erasure has to find nothing. Counts come from the metrics that it has
computed anyway, failing rows from the same condition by SQL.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration.quality.errors import GateError

if TYPE_CHECKING:
    import sqlalchemy as sa
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

    from expectations.duckdb_engine import DuckDBExecutionEngine

_RUNTIME = {"catch_exceptions": True, "result_format": {"result_format": "BOOLEAN_ONLY"}}
_META = ("check", "level", "severity", "sentence", "threshold")
# What DuckDB quotes in an error may be a value of a person.
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_ENGINE_ERROR = re.compile(r"(Binder|Catalog|Conversion|Invalid Input|Out of Range|Parser|Constraint) Error: ([^\n]*)")


@dataclass(frozen=True)
class Answer:
    """What came of one expectation."""

    expectation: "Expectation"
    evaluated: bool
    success: bool
    unexpected: int | None
    """Rows that fail a row expectation."""
    observed: float | int | None
    """The number that a table expectation looked at."""
    condition: "sa.ColumnElement | None"
    """True for the rows that fail; only for row expectations that did."""
    error: str | None
    """Why it could not be evaluated, without values."""

    @property
    def meta(self) -> dict[str, Any]:
        """The expectation's meta: see `expectations.checks`."""
        return _meta(self.expectation)

    @property
    def severity(self) -> str:
        """`block` or `warn`."""
        return self.meta["severity"]


def checked_suite(table: str, suite: Sequence["Expectation"]) -> Sequence["Expectation"]:
    """The suite itself, once each expectation is known to carry what the gate needs, under a name of its own.

    Raises GateError otherwise.
    """
    seen: set[str] = set()
    for expectation in suite:
        meta = expectation.meta or {}
        missing = [key for key in _META if key not in meta]
        if missing:
            raise GateError(
                f"{table}: an expectation lacks {', '.join(missing)} in its meta; build it by expectations.checks"
            )
        if meta["check"] in seen:
            raise GateError(f"{table}: two expectations are called {meta['check']}; give one of them another name")
        seen.add(meta["check"])
    return suite


def evaluate(
    engine: "DuckDBExecutionEngine", view: str, columns: Sequence[str], rows: int, suite: Sequence["Expectation"]
) -> list[Answer]:
    """Evaluate a suite over a view; the answers stand in the suite's order.

    Args:
        engine: Great Expectations' engine over the connection that has the view.
        view: name of the view, in the connection's default schema.
        columns: the view's columns.
        rows: its number of rows.
        suite: expectations built by `expectations.checks`.
    """
    from expectations.memo import plain_identifiers, remembered_configurations

    with _silenced(), remembered_configurations(), plain_identifiers():
        return _evaluate(engine, view, set(columns), rows, suite)


def _evaluate(
    engine: "DuckDBExecutionEngine", view: str, known: set[str], rows: int, suite: Sequence["Expectation"]
) -> list[Answer]:
    lacking = {id(e): missing for e in suite if (missing := _columns_of(e) - known)}
    askable = [expectation for expectation in suite if id(expectation) not in lacking]
    answers = {id(e): _missing_columns(e, lacking[id(e)]) for e in suite if id(e) in lacking}
    results = _validate(engine, view, askable)
    failed = [expectation for expectation in askable if _error(results[_name(expectation)]) is not None]
    if len(failed) > 1:
        # Metrics are computed together in one query, so one bad expectation fails its neighbours too. Alone, each
        # shows whether it is the one.
        for expectation in failed:
            engine.rollback()
            results |= _validate(engine, view, [expectation])
    engine.rollback()
    for expectation in askable:
        answers[id(expectation)] = _answer(engine, expectation, results[_name(expectation)], rows)
    return [answers[id(expectation)] for expectation in suite]


def _validate(
    engine: "DuckDBExecutionEngine", view: str, suite: Sequence["Expectation"]
) -> dict[str, "ExpectationValidationResult"]:
    from great_expectations.core.batch import Batch
    from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
    from great_expectations.validator.validator import Validator

    if not suite:
        return {}
    data: Any = SqlAlchemyBatchData(execution_engine=engine, table_name=view, create_temp_table=False)
    validator = Validator(execution_engine=engine, batches=[Batch(data=data)])
    validator.metrics_calculator.show_progress_bars = False
    results = validator.graph_validate(
        configurations=[expectation.configuration for expectation in suite], runtime_configuration=_RUNTIME
    )
    # Results come in an order of Great Expectations' own.
    return {_config(result).meta["check"]: result for result in results}


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep Great Expectations from logging what a query failed on: the database's message may quote a person's value."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _answer(
    engine: "DuckDBExecutionEngine", expectation: "Expectation", result: "ExpectationValidationResult", rows: int
) -> Answer:
    error = _error(result)
    if error is not None:
        return Answer(expectation, False, False, None, None, None, error)
    success = bool(result.success)
    if _meta(expectation)["level"] == "row":
        if success:
            return Answer(expectation, True, True, 0, None, None, None)
        count, condition = _failing(engine, expectation)
        return Answer(expectation, True, False, count, None, condition, None)
    return Answer(expectation, True, success, None, _observed(engine, expectation, rows), None, None)


def _failing(engine: "DuckDBExecutionEngine", expectation: Any) -> "tuple[int, sa.ColumnElement]":
    """The number of failing rows, and the condition that they meet, as Great Expectations computed them."""
    from great_expectations.validator.metric_configuration import MetricConfiguration

    needed = expectation.get_validation_dependencies(engine, _RUNTIME).metric_configurations
    counted = needed[f"{expectation.map_metric}.unexpected_count"]
    condition = MetricConfiguration(
        f"{expectation.map_metric}.condition", counted.metric_domain_kwargs, counted.metric_value_kwargs
    )
    return int(engine.value_of(counted)), engine.value_of(condition)[0]


def _observed(engine: "DuckDBExecutionEngine", expectation: Any, rows: int) -> float | int | None:
    needed = expectation.get_validation_dependencies(engine, _RUNTIME).metric_configurations
    if "table.scalar_query" in needed:
        value = engine.value_of(needed["table.scalar_query"])
        return value if value is None or isinstance(value, int) else round(float(value), 6)
    return rows


def _columns_of(expectation: "Expectation") -> set[str]:
    kwargs = expectation.configuration.kwargs
    named = [kwargs.get("column"), *(kwargs.get("key_columns") or []), *(kwargs.get("order_by") or [])]
    return {name for name in named if name}


def _missing_columns(expectation: "Expectation", missing: set[str]) -> Answer:
    listed = ", ".join(sorted(missing))
    message = f"the table has no column {listed}" if len(missing) == 1 else f"the table has no columns {listed}"
    return Answer(expectation, False, False, None, None, None, message)


def _name(expectation: "Expectation") -> str:
    return _meta(expectation)["check"]


def _meta(expectation: "Expectation") -> dict[str, Any]:
    return dict(expectation.meta or {})


def _config(result: "ExpectationValidationResult") -> Any:
    return result.expectation_config


def _error(result: "ExpectationValidationResult") -> str | None:
    """Why the result is none, or None when it is one. Great Expectations nests this by metric, or does not."""
    info = result.exception_info or {}
    entries = [info] if "raised_exception" in info else list(info.values())
    raised = [entry for entry in entries if _field(entry, "raised_exception")]
    if not raised:
        return None
    text = str(_field(raised[0], "exception_message") or "")
    found = _ENGINE_ERROR.search(text) or _ENGINE_ERROR.search(str(_field(raised[0], "exception_traceback") or ""))
    if found is None:
        return _QUOTED.sub("'…'", (text.strip().splitlines() or ["unknown error"])[0])[:300]
    kind, message = found.groups()
    # These two name columns and tables, never values.
    safe = message if kind in ("Binder", "Catalog") else _QUOTED.sub("'…'", message)
    return f"{kind} Error: {safe}"[:300]


def _field(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, dict) else getattr(entry, name, None)
