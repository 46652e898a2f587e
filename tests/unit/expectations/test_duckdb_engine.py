"""Great Expectations' own expectations run over DuckDB, and leave the caller's connection as they found it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import great_expectations.expectations as gxe
import pytest
from great_expectations.core.batch import Batch
from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
from great_expectations.validator.validator import Validator

from expectations.duckdb_engine import DuckDBExecutionEngine, quoted


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute('create table people (email varchar, age integer, "odd ""name" varchar)')
    connection.execute(
        "insert into people values ('a@b.org', 30, 'x'), ('it''s \\ 100% :wrong', 200, 'y'), (null, null, null)"
    )
    connection.execute("create temp view batch as select * from people")
    yield connection
    connection.close()


def _validate(con: duckdb.DuckDBPyConnection, *expectations: Any, result_format: str = "COMPLETE") -> list[Any]:
    with DuckDBExecutionEngine(con) as engine:
        data: Any = SqlAlchemyBatchData(execution_engine=engine, table_name="batch", create_temp_table=False)
        validator = Validator(execution_engine=engine, batches=[Batch(data=data)])
        validator.metrics_calculator.show_progress_bars = False
        return validator.graph_validate(
            configurations=[expectation.configuration for expectation in expectations],
            runtime_configuration={"catch_exceptions": False, "result_format": {"result_format": result_format}},
        )


def test_regular_expressions_are_searched_for(con: duckdb.DuckDBPyConnection) -> None:
    [found] = _validate(con, gxe.ExpectColumnValuesToMatchRegex(column="email", regex=r"^[^@\s]+@[^@\s]+$"))
    [absent] = _validate(con, gxe.ExpectColumnValuesToNotMatchRegex(column="email", regex="wrong"))
    [listed] = _validate(con, gxe.ExpectColumnValuesToMatchRegexList(column="email", regex_list=["@", "%"]))

    assert found.result["unexpected_list"] == ["it's \\ 100% :wrong"]
    assert absent.result["unexpected_count"] == 1
    assert listed.success


def test_results_outlive_the_query(con: duckdb.DuckDBPyConnection) -> None:
    results = _validate(
        con,
        gxe.ExpectColumnValuesToBeBetween(column="age", min_value=0, max_value=120),
        gxe.ExpectColumnValuesToNotBeNull(column="email"),
        gxe.ExpectTableRowCountToBeBetween(min_value=3, max_value=3),
    )

    by_type = {result.expectation_config.type: result for result in results}
    assert by_type["expect_column_values_to_be_between"].result["unexpected_list"] == [200]
    assert by_type["expect_column_values_to_not_be_null"].result["unexpected_count"] == 1
    assert by_type["expect_table_row_count_to_be_between"].success


def test_a_column_with_a_quote_in_its_name_is_found(con: duckdb.DuckDBPyConnection) -> None:
    [result] = _validate(con, gxe.ExpectColumnValuesToBeInSet(column='odd "name', value_set=["x"]))
    assert result.result["unexpected_list"] == ["y"]


def test_what_was_computed_stays_readable(con: duckdb.DuckDBPyConnection) -> None:
    expectation = gxe.ExpectColumnValuesToNotBeNull(column="email")
    with DuckDBExecutionEngine(con) as engine:
        data: Any = SqlAlchemyBatchData(execution_engine=engine, table_name="batch", create_temp_table=False)
        validator = Validator(execution_engine=engine, batches=[Batch(data=data)])
        runtime = {"catch_exceptions": False, "result_format": {"result_format": "BOOLEAN_ONLY"}}
        validator.graph_validate(configurations=[expectation.configuration], runtime_configuration=runtime)
        needed = expectation.get_validation_dependencies(engine, runtime).metric_configurations

        assert engine.value_of(needed["column_values.nonnull.unexpected_count"]) == 1
        assert engine.batch_relation() == '"batch"'


def test_a_transaction_covers_both_sides_and_is_undone_as_one(con: duckdb.DuckDBPyConnection) -> None:
    with DuckDBExecutionEngine(con) as engine:
        with pytest.raises(ValueError, match="stop"), engine.transaction() as connection:
            connection.exec_driver_sql("insert into people values ('sqlalchemy', 1, '')")
            con.execute("insert into people values ('duckdb', 1, '')")
            raise ValueError("stop")
        assert con.execute("select count(*) from people").fetchall() == [(3,)]
        with engine.transaction() as connection:
            connection.exec_driver_sql("delete from people where age is null")
    assert con.execute("select count(*) from people").fetchall() == [(2,)]


def test_after_a_failed_query_the_engine_works_again(con: duckdb.DuckDBPyConnection) -> None:
    with DuckDBExecutionEngine(con) as engine:
        with pytest.raises(Exception), engine.get_connection() as connection:
            connection.exec_driver_sql("select cast(email as integer) from people")
        engine.rollback()
        with engine.get_connection() as connection:
            assert connection.exec_driver_sql("select count(*) from people").scalar() == 3


def test_the_connection_stays_the_callers_and_the_file_can_be_opened_plainly(tmp_path: Path) -> None:
    path = str(tmp_path / "file.duckdb")
    connection = duckdb.connect(path)
    connection.execute("create table people as select 'a@b.org' as email; create temp view batch as from people")
    _validate(connection, gxe.ExpectColumnValuesToMatchRegex(column="email", regex="@"))

    connection.execute("insert into people values ('still open')")
    # Another part of the process, such as dbt, opens the file meanwhile with the same, plain configuration.
    with duckdb.connect(path) as second:
        assert second.execute("select count(*) from people").fetchall() == [(2,)]
    connection.close()
    with duckdb.connect(path, config={"threads": 1}) as third:
        assert third.execute("select count(*) from people").fetchall() == [(2,)]


def test_identifiers_are_quoted() -> None:
    assert quoted('a"b') == '"a""b"'
