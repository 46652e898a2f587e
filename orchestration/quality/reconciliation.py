"""Reconciliation: every landed row is accounted for, and every version of a customer record.

Belongs here: the sums of a table's day, keeping them in `quality.reconciliation`, and the blocking checks over them. Does
not belong here: counting what landed (the loader does, before it knows what becomes of a row).

Two identities:
- rows: landed = loaded into raw + quarantined + discarded + suppressed;
- versions, for tables that name their customer records by a column: loaded = latest versions, each of which is a record
  of `integration.int_customer_records` or in its quarantine, + versions superseded by a later one; and no record of the
  source is without a version.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from orchestration.quality.decided import ensure_decided_tables
from orchestration.quality.quarantine import ensure_quarantine_table, quarantine_relation
from orchestration.quality.results import CheckResult, RunContext
from orchestration.quality.suppressed import count_suppressed

if TYPE_CHECKING:
    import duckdb

    from orchestration.sources.contract import Contract, Table

ROWS_CHECK = "reconciliation:rows"
VERSIONS_CHECK = "reconciliation:versions"
RECORDS = "int_customer_records"

Accounts = Callable[["duckdb.DuckDBPyConnection", RunContext], "list[CheckResult]"]
"""Further checks of a gate, asked for after its own have held rows back."""


@dataclass(frozen=True)
class Account:
    """What became of the rows of one table's day."""

    table: str
    """With its schema: `raw.crm__contacts`."""
    load_date: date
    landed: int
    loaded: int
    quarantined: int
    discarded: int
    suppressed: int
    superseded: int | None
    """Of the loaded rows, those with a later version; None for a table whose records are not named by a column."""
    difference: int
    """Landed rows that are nowhere, negative for rows that are in two places."""


def ensure_reconciliation_table(con: "duckdb.DuckDBPyConnection") -> None:
    """Create `quality.reconciliation` where it is missing."""
    con.execute("create schema if not exists quality")
    con.execute(
        """
        create table if not exists quality.reconciliation (
            table_name varchar not null,
            load_date date not null,
            landed bigint not null,
            loaded bigint not null,
            quarantined bigint not null,
            discarded bigint not null,
            suppressed bigint not null,
            superseded bigint,
            difference bigint not null
        )
        """
    )


def reconcile_rows(con: "duckdb.DuckDBPyConnection", table: str, run: RunContext) -> CheckResult | None:
    """Account for the landed rows of a raw table's day; None when nothing was ever loaded for it.

    Args:
        table: without its schema.
    """
    ensure_reconciliation_table(con)
    ensure_decided_tables(con)
    relation = ensure_quarantine_table(con, table)
    known, landed, loaded, quarantined, discarded = con.execute(
        f"""
        with loads as (
            select count(*) as files, coalesce(sum(rows_landed), 0)::bigint as landed
            from quality.loads
            where table_name = 'raw.' || $table and load_date = $day
        ),
        raw_rows as (
            select count(*) as loaded from raw."{table}" where _load_date = $day
        ),
        held as (
            select count(distinct (file, row_number)) as quarantined from {relation} where load_date = $day
        ),
        dropped as (
            select count(*) as discarded
            from quality.discarded_rows
            where table_name = 'raw.' || $table and load_date = $day
        )
        select * from loads, raw_rows, held, dropped
        """,
        {"table": table, "day": run.load_date},
    ).fetchall()[0]
    if not known:
        return None
    suppressed = count_suppressed(con, table, run.load_date)
    difference = landed - loaded - quarantined - discarded - suppressed
    name = f"raw.{table}"
    kept = con.execute(
        "select superseded from quality.reconciliation where table_name = ? and load_date = ?", [name, run.load_date]
    ).fetchall()
    con.execute("delete from quality.reconciliation where table_name = ? and load_date = ?", [name, run.load_date])
    con.execute(
        "insert into quality.reconciliation values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            name, run.load_date, landed, loaded, quarantined, discarded, suppressed, kept[0][0] if kept else None,
            difference,
        ],
    )  # fmt: skip
    found = (
        f"{landed:,} landed = {loaded:,} loaded + {quarantined:,} quarantined + {discarded:,} discarded + "
        f"{suppressed:,} suppressed"
    )
    wrong = f"{found} does not hold: {abs(difference):,} rows are {'nowhere' if difference > 0 else 'in two places'}"
    return _result("collection", name, ROWS_CHECK, difference, landed, wrong if difference else found)


def reconcile_versions(contracts: "Iterable[Contract]") -> Accounts:
    """The checks of the gate over `integration.int_customer_records`: one for each table that feeds it by a column."""
    fed = [
        (contract, table, sum("customer_records" in other.feeds for other in contract.tables) == 1)
        for contract in contracts
        for table in contract.tables
        if "customer_records" in table.feeds and _record_column(table)
    ]

    def check(con: "duckdb.DuckDBPyConnection", run: RunContext) -> list[CheckResult]:
        ensure_reconciliation_table(con)
        return [_versions_of(con, contract, table, alone=alone) for contract, table, alone in fed]

    return check


def read_reconciliation(con: "duckdb.DuckDBPyConnection", load_date: date | None = None) -> list[Account]:
    """The accounts of one day or of all, by table and day."""
    ensure_reconciliation_table(con)
    rows = con.execute(
        "select * from quality.reconciliation where coalesce(load_date = $day, $day is null) order by all",
        {"day": load_date},
    ).fetchall()
    return [Account(*row) for row in rows]


@dataclass(frozen=True)
class _Versions:
    """The versions of customer records that one day of a table holds."""

    load_date: date
    versions: int
    superseded: int
    lost: int
    """Latest versions that are no customer record."""


def _versions_of(con: "duckdb.DuckDBPyConnection", contract: "Contract", table: "Table", *, alone: bool) -> CheckResult:
    """Count superseded versions per day, latest versions that are no customer record, and records without a version.

    Args:
        alone: whether no other table of the source feeds customer records, so that each of its records is to be here.
    """
    name = f"raw.{table.raw_name}"
    days = _count_versions(con, contract, table)
    con.execute("update quality.reconciliation set superseded = 0 where table_name = ?", [name])
    for day in days:
        con.execute(
            "update quality.reconciliation set superseded = ? where table_name = ? and load_date = ?",
            [day.superseded, name, day.load_date],
        )
    baseless = _count_baseless(con, table) if alone else 0
    versions, superseded = sum(day.versions for day in days), sum(day.superseded for day in days)
    lost = sum(day.lost for day in days)
    message = (
        f"{name}: {versions:,} versions = {versions - superseded - lost:,} latest records + {superseded:,} superseded"
    )
    if lost:
        where = ", ".join(f"{day.lost:,} of {day.load_date}" for day in days if day.lost)
        message += f" + {lost:,} latest versions that are no customer record ({where})"
    if baseless:
        message += f"; {baseless:,} customer records of {table.source} have no version in {name}"
    check = f"{VERSIONS_CHECK}:{table.raw_name}"
    return _result("integration", f"integration.{RECORDS}", check, lost + baseless, versions, message)


def _count_versions(con: "duckdb.DuckDBPyConnection", contract: "Contract", table: "Table") -> list[_Versions]:
    key = f'"{_record_column(table)}"'
    version = f'"{table.version_column}" desc nulls last, ' if table.version_column else ""
    # A key that is missing from the latest snapshot is gone: all its versions are superseded.
    is_latest = "_load_date = max(_load_date) over ()" if contract.delivery == "snapshot" else "true"
    rows = con.execute(
        f"""
        with records as (
            select record_id from integration.{RECORDS} where source = '{table.source}'
            union
            select row_key as record_id from {quarantine_relation(RECORDS)}
        ),
        versions as (
            select
                {key}::varchar as source_record_id,
                '{table.source}:' || {key}::varchar as record_id,
                _load_date as load_date,
                {is_latest}
                    and row_number() over (partition by {key} order by {version}_load_date desc, _row desc) = 1
                    as is_latest
            from raw."{table.raw_name}"
            where {key} is not null
        )
        select
            versions.load_date,
            count(*) as versions,
            count(*) filter (where not versions.is_latest) as superseded,
            count(*) filter (where versions.is_latest and records.record_id is null) as lost
        from versions
        left join records on versions.record_id = records.record_id
        -- A blank id is no id, unless the staging model takes it for one.
        where trim(versions.source_record_id) <> '' or records.record_id is not null
        group by versions.load_date
        order by versions.load_date
        """
    ).fetchall()
    return [_Versions(*row) for row in rows]


def _count_baseless(con: "duckdb.DuckDBPyConnection", table: "Table") -> int:
    """Customer records of the table's source of which raw holds no version."""
    return con.execute(
        f"""
        select count(*)
        from integration.{RECORDS} as records
        where records.source = '{table.source}'
            and records.source_record_id not in (
                select "{_record_column(table)}"::varchar
                from raw."{table.raw_name}"
                where "{_record_column(table)}" is not null
            )
        """
    ).fetchall()[0][0]


def _record_column(table: "Table") -> str | None:
    return next((column.name for column in table.columns if column.semantic == "source_record_id"), None)


def _result(stage: str, table: str, check: str, difference: int, count: int, message: str) -> CheckResult:
    return CheckResult(
        stage=stage,
        table_name=table,
        expectation=check,
        column_name=None,
        level="table",
        severity="block",
        success=difference == 0,
        evaluated=True,
        observed=str(difference),
        threshold="0 rows unaccounted for",
        element_count=count,
        unexpected_count=abs(difference),
        message=message,
    )
