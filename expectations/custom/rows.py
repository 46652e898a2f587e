"""Row expectations over any SQL predicate, and over keys that repeat.

Great Expectations has `UnexpectedRowsExpectation` for the first, at two queries each and with the rows in its result;
these are conditions like those of the built-in column expectations, so that one query counts all of a suite.
"""

from typing import Any, ClassVar

import sqlalchemy as sa
from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer

from expectations.custom.rendering import sentence_content
from expectations.duckdb_engine import DuckDBExecutionEngine, quoted

ROW_ID = "_row_id"
"""The batch's column that names a row for the length of a gate: DuckDB's rowid."""


class _RowsSatisfy(ColumnMapMetricProvider):
    """The rows for which a predicate is not false. Like a SQL check constraint, unknown counts as held."""

    condition_metric_name = "rows.satisfy"
    condition_value_keys = ("predicate",)
    filter_column_isnull = False

    @column_condition_partial(engine=DuckDBExecutionEngine)
    def _duckdb(cls, column: sa.ColumnClause, predicate: str, **_: Any) -> sa.ColumnElement:  # noqa: N805
        return sa.func.coalesce(sa.literal_column(f"({predicate})", sa.Boolean), sa.true())


class _KeyFirst(ColumnMapMetricProvider):
    """The rows that are the first with their key; rows with a null in the key are left to other expectations."""

    condition_metric_name = "rows.key_first"
    condition_value_keys = ("key_columns", "order_by")
    filter_column_isnull = False

    @column_condition_partial(engine=DuckDBExecutionEngine)
    def _duckdb(
        cls,  # noqa: N805
        column: sa.ColumnClause,
        key_columns: list[str],
        order_by: list[str],
        _table: sa.TableClause,
        **_: Any,
    ) -> sa.ColumnElement:
        keys = ", ".join(quoted(name) for name in key_columns)
        known = " and ".join(f"{quoted(name)} is not null" for name in key_columns)
        order = ", ".join([*(quoted(name) for name in order_by), ROW_ID])
        batch = quoted(_table.name)
        # Rows are numbered only within the keys that repeat at all, which are few: numbering every row of a large
        # batch costs a sort of the whole.
        repeats = (
            f"{ROW_ID} in (select {ROW_ID} from (select {ROW_ID}, row_number() over (partition by {keys} order by {order})"
            f" as place from {batch} where ({keys}) in (select ({keys}) from {batch} where {known}"
            f" group by {keys} having count(*) > 1)) where place > 1)"
        )
        return sa.not_(sa.literal_column(f"({repeats})", sa.Boolean))


class ExpectRowsToSatisfy(ColumnMapExpectation):
    """Expect each row to satisfy a SQL predicate over the table's columns.

    `column` is the one to show for a row that fails, and must exist.
    """

    predicate: str | SuiteParameterDict

    map_metric: ClassVar[str] = "rows.satisfy"
    success_keys: ClassVar[tuple[str, ...]] = ("predicate", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "predicate")

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None, **_: Any
    ) -> list[RenderedStringTemplateContent]:
        return sentence_content(configuration, result, "predicate")


class ExpectKeyNotToRepeat(ColumnMapExpectation):
    """Expect each key once. Of rows that share a key the first, by `order_by`, stands; its repeats fail.

    `ExpectCompoundColumnsToBeUnique` fails all of them, the first too, and on SQL cannot say which rows they are.
    """

    key_columns: list[str] | SuiteParameterDict
    order_by: list[str] | SuiteParameterDict

    map_metric: ClassVar[str] = "rows.key_first"
    success_keys: ClassVar[tuple[str, ...]] = ("key_columns", "order_by", "mostly")
    args_keys: ClassVar[tuple[str, ...]] = ("column", "key_columns")

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None, **_: Any
    ) -> list[RenderedStringTemplateContent]:
        return sentence_content(configuration, result, "key_columns")
