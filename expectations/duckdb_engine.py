"""Great Expectations on DuckDB: the one place where the two are fitted together.

Great Expectations has no DuckDB engine, and over duckdb-engine it fails in two ways. Both are mended here by its own
means of extension, a subclass and a metric of the same name registered for it; nothing is patched.

1. It closes the connection after each query and then reads the result, which DuckDB drops with the connection
   (`list index out of range`). `DuckDBExecutionEngine` keeps one connection, as Great Expectations does for SQLite.
2. It knows no regular expressions for a dialect it does not know. They are mapped to `regexp_matches`.

Two more things are ours, for speed and for recovery:

3. Columns come from `describe`, one cheap statement; reflection over the catalogue takes longer than all checks.
4. What the engine has computed stays readable (`value_of`): the counts, and the condition that each row failed, so that
   failing rows are taken by SQL inside the database instead of travelling through Python as lists.

Belongs here: whatever depends on how Great Expectations meets DuckDB. Does not belong here: what is expected of a table.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import sqlalchemy as sa
from duckdb_engine import ConnectionWrapper
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
from great_expectations.expectations.metrics.map_metric_provider import (
    ColumnMapMetricProvider,
    column_condition_partial,
)
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.validator.metric_configuration import MetricConfiguration
from sqlalchemy.pool import StaticPool

__all__ = ["DuckDBExecutionEngine", "quoted"]


def quoted(name: str) -> str:
    """A name as a DuckDB identifier, whatever letters it holds."""
    return '"' + name.replace('"', '""') + '"'


class DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Runs Great Expectations' metrics on one open DuckDB connection, temporary views included.

    The connection is the caller's, opened by plain `duckdb.connect(path)`: duckdb-engine would open its own with a
    configuration of its own (`custom_user_agent`), and DuckDB refuses two configurations for one file in one process.

    Use it as a context manager; afterwards nothing of Great Expectations or SQLAlchemy holds the connection.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._duckdb = connection
        self._values: dict[Any, Any] = {}
        engine = sa.create_engine(
            "duckdb://", creator=lambda: _BorrowedConnection(connection), poolclass=StaticPool, hide_parameters=True
        )
        super().__init__(engine=engine, create_temp_table=False)

    def __enter__(self) -> "DuckDBExecutionEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def get_connection(self) -> Iterator[sa.Connection]:
        """The one connection, kept open: a DuckDB result lives no longer than the connection that made it."""
        if self._connection is None:
            self._connection = self.engine.connect()
        yield self._connection

    def resolve_metrics(
        self,
        metrics_to_resolve: Iterable[MetricConfiguration],
        metrics: dict[Any, Any] | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> dict[Any, Any]:
        """Compute metrics as Great Expectations does, and remember them for `value_of`."""
        try:
            resolved = super().resolve_metrics(metrics_to_resolve, metrics, runtime_configuration)
        except Exception:
            # Great Expectations tries a failed metric again, and DuckDB would answer only that the transaction is aborted.
            self.rollback()
            raise
        self._values.update(resolved)
        return resolved

    def batch_relation(self) -> str:
        """The quoted name of the table or view under validation."""
        batch = self.batch_manager.active_batch_data
        assert isinstance(batch, SqlAlchemyBatchData)
        assert isinstance(batch.selectable, sa.TableClause)
        return quoted(batch.selectable.name)

    def value_of(self, metric: MetricConfiguration) -> Any:
        """What a metric came to, or None when it was not computed."""
        return self._values.get(metric.id)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One DuckDB transaction over whatever runs on the connection meanwhile, through SQLAlchemy or not."""
        with self.get_connection() as connection:
            if connection.in_transaction():
                connection.rollback()
            with connection.begin():
                yield connection

    def rollback(self) -> None:
        """End the transaction that reading began; after a failed query DuckDB refuses all others until then."""
        if self._connection is not None and self._connection.in_transaction():
            self._connection.rollback()

    def close(self) -> None:
        """Let go of the connection, which stays open and its owner's."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.engine.dispose()


class _BorrowedConnection(ConnectionWrapper):
    """duckdb-engine's wrapper, but the caller, not SQLAlchemy's pool, closes the connection."""

    def close(self) -> None:
        self.closed = True


class _DuckDBColumnTypes(TableMetricProvider):
    """The batch's columns in their order, by `describe`."""

    metric_name = "table.column_types"
    value_keys = ("include_nested",)

    @metric_value(engine=DuckDBExecutionEngine)
    def _duckdb(
        cls,  # noqa: N805  Great Expectations binds metric functions to the class itself
        execution_engine: DuckDBExecutionEngine,
        **_: Any,
    ) -> list[dict[str, Any]]:
        relation = execution_engine.batch_relation()
        with execution_engine.get_connection() as connection:
            rows = connection.exec_driver_sql(f"describe {relation}").fetchall()
        return [{"name": row[0], "type": row[1], "primary_key": False} for row in rows]


class _DuckDBMatchRegex(ColumnMapMetricProvider):
    """Values in which the pattern is found; RE2's syntax, not anchored, as in Great Expectations' other engines."""

    condition_metric_name = "column_values.match_regex"
    condition_value_keys = ("regex",)

    @column_condition_partial(engine=DuckDBExecutionEngine)
    def _duckdb(cls, column: sa.ColumnClause, regex: str, **_: Any) -> sa.ColumnElement:  # noqa: N805
        return sa.func.regexp_matches(column, sa.literal(regex))


class _DuckDBNotMatchRegex(ColumnMapMetricProvider):
    """Values in which the pattern is not found."""

    condition_metric_name = "column_values.not_match_regex"
    condition_value_keys = ("regex",)

    @column_condition_partial(engine=DuckDBExecutionEngine)
    def _duckdb(cls, column: sa.ColumnClause, regex: str, **_: Any) -> sa.ColumnElement:  # noqa: N805
        return sa.not_(sa.func.regexp_matches(column, sa.literal(regex)))


class _DuckDBMatchRegexList(ColumnMapMetricProvider):
    """Values in which any, or all, of the patterns are found."""

    condition_metric_name = "column_values.match_regex_list"
    condition_value_keys = ("regex_list", "match_on")

    @column_condition_partial(engine=DuckDBExecutionEngine)
    def _duckdb(
        cls,  # noqa: N805
        column: sa.ColumnClause,
        regex_list: list[str],
        match_on: str | None,
        **_: Any,
    ) -> sa.ColumnElement:
        found = [sa.func.regexp_matches(column, sa.literal(regex)) for regex in regex_list]
        return sa.and_(*found) if match_on == "all" else sa.or_(*found)
