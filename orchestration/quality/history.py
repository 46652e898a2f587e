"""The schema `quality`: every check's result and every load, kept so that quality is a trend.

Belongs here: these tables and writing to them. Does not belong here: deciding what a result means (see `gate`), or
values of rows (see `quarantine`): erasure must find nothing here.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from orchestration.quality.results import CheckResult, RunContext

if TYPE_CHECKING:
    import duckdb

_TABLES = (
    """
    create table if not exists quality.check_results (
        run_id varchar not null,
        load_date date not null,
        checked_at timestamp not null,
        stage varchar not null,
        table_name varchar not null,
        expectation varchar not null,
        column_name varchar,
        level varchar not null,
        severity varchar not null,
        success boolean not null,
        evaluated boolean not null,
        observed varchar,
        threshold varchar,
        element_count bigint,
        unexpected_count bigint,
        message varchar not null
    )
    """,
    # One row per (table_name, load_date, file). No primary key: DuckDB checks one too eagerly when a transaction
    # deletes a row and inserts it anew, which is what a reload does.
    """
    create table if not exists quality.loads (
        table_name varchar not null,
        load_date date not null,
        file varchar not null,
        fingerprint varchar not null,
        rows_landed bigint not null,
        rows_loaded bigint not null,
        rows_quarantined bigint not null,
        loaded_at timestamp not null,
        run_id varchar not null
    )
    """,
    # One row per (table_name, load_date, column_name): see orchestration.quality.profiles.
    """
    create table if not exists quality.profiles (
        table_name varchar not null,
        load_date date not null,
        column_name varchar not null,
        observed_type varchar,
        in_contract boolean not null,
        landed boolean not null,
        rows_read bigint not null,
        filled bigint not null
    )
    """,
    """
    create table if not exists quality.schema_history (
        table_name varchar not null,
        load_date date not null,
        column_name varchar not null,
        observed_type varchar,
        change varchar not null,
        recorded_at timestamp not null
    )
    """,
    # What was published by each day's last successful run of the whole job: see orchestration.unchanged.
    """
    create table if not exists quality.published_state (
        load_date date not null,
        run_id varchar not null,
        day_state varchar not null,
        state varchar not null,
        published_at timestamp not null
    )
    """,
    # The latest validation of each table as Great Expectations words it, counts without values: what Data Docs show.
    """
    create table if not exists quality.validations (
        run_id varchar not null,
        load_date date not null,
        table_name varchar not null,
        validated_at timestamp not null,
        result json not null
    )
    """,
)


def ensure_tables(con: "duckdb.DuckDBPyConnection") -> None:
    """Create the schema `quality` and its tables where they are missing."""
    con.execute("create schema if not exists quality")
    for statement in _TABLES:
        con.execute(statement)


def append_results(
    con: "duckdb.DuckDBPyConnection",
    run: RunContext,
    results: Iterable[CheckResult],
    checked_at: datetime | None = None,
) -> None:
    """Append results to `quality.check_results`. `checked_at` is naive UTC, by default now."""
    at = checked_at or now()
    rows = [
        (
            run.run_id, run.load_date, at, r.stage, r.table_name, r.expectation, r.column_name, r.level, r.severity,
            r.success, r.evaluated, r.observed, r.threshold, r.element_count, r.unexpected_count, r.message,
        )
        for r in results
    ]  # fmt: skip
    if rows:
        # One statement: DuckDB's executemany plans each row anew, which costs more than the checks themselves.
        one = f"({', '.join('?' * len(rows[0]))})"
        con.execute(
            f"insert into quality.check_results values {', '.join([one] * len(rows))}",
            [value for row in rows for value in row],
        )


def keep_validation(con: "duckdb.DuckDBPyConnection", run: RunContext, table: str, result_json: str) -> None:
    """Keep a table's validation result, in place of the table's earlier one."""
    con.execute("delete from quality.validations where table_name = ?", [table])
    con.execute(
        "insert into quality.validations values (?, ?, ?, ?, ?)", [run.run_id, run.load_date, table, now(), result_json]
    )


def days_loaded_by(con: "duckdb.DuckDBPyConnection", table: str, run: RunContext) -> list[date]:
    """The run's load date, and the other dates of the raw table that this run loaded anew, in order."""
    rows = con.execute(
        "select distinct load_date from quality.loads where table_name = ? and run_id = ?", [table, run.run_id]
    ).fetchall()
    return sorted({run.load_date, *(row[0] for row in rows)})


def now() -> datetime:
    """The time in UTC without a zone, as the warehouse's timestamps are."""
    return datetime.now(UTC).replace(tzinfo=None)
