"""A table expectation over one number that SQL computes: distributions, cluster sizes, reconciliation between tables."""

from typing import Any, ClassVar

from great_expectations.core.suite_parameters import SuiteParameterDict
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.render import LegacyRendererType, RenderedStringTemplateContent
from great_expectations.render.renderer.renderer import renderer

from expectations.custom.rendering import sentence_content
from expectations.duckdb_engine import DuckDBExecutionEngine

BATCH = "{batch}"
"""Stands in a query for the rows that the gate looks at."""


class _ScalarQuery(TableMetricProvider):
    """The single value of a query; `{batch}` in it stands for the rows under the gate."""

    metric_name = "table.scalar_query"
    value_keys = ("query",)

    @metric_value(engine=DuckDBExecutionEngine)
    def _duckdb(
        cls,  # noqa: N805
        execution_engine: DuckDBExecutionEngine,
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> float | int | None:
        query = metric_value_kwargs["query"].replace(BATCH, execution_engine.batch_relation())
        with execution_engine.get_connection() as connection:
            # Not sa.text: a colon in the query is no parameter.
            value = connection.exec_driver_sql(query).scalar()
        return None if value is None else (value if isinstance(value, int) else float(value))


class ExpectScalarToBeBetween(BatchExpectation):
    """Expect the number that a query computes to lie between two bounds, both included.

    A query that gives no number could not be evaluated: write it so that it has an answer for an empty table.
    """

    query: str | SuiteParameterDict
    min_value: float | SuiteParameterDict | None = None
    max_value: float | SuiteParameterDict | None = None

    metric_dependencies: ClassVar[tuple[str, ...]] = ("table.scalar_query",)
    success_keys: ClassVar[tuple[str, ...]] = ("query", "min_value", "max_value")
    args_keys: ClassVar[tuple[str, ...]] = ("query", "min_value", "max_value")

    def _validate(
        self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None
    ) -> dict[str, Any]:
        value = metrics["table.scalar_query"]
        if value is None:
            raise ValueError("the query gives no number")
        low, high = self.min_value, self.max_value
        success = (low is None or value >= low) and (high is None or value <= high)
        return {"success": success, "result": {"observed_value": value}}

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls, configuration: Any = None, result: Any = None, runtime_configuration: Any = None, **_: Any
    ) -> list[RenderedStringTemplateContent]:
        return sentence_content(configuration, result, "query")
