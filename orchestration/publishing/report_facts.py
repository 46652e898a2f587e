"""The figures of the report: aggregate queries over the working warehouse.

Belongs here: SQL that counts. Does not belong here: words, charts, layout. No query selects a personal value, and texts
that may quote one (a check's `observed` and `message`, a quarantined `value`) are never read.

Every query names the columns that it needs; where a table is missing, as in a young warehouse or one with a single
source, it answers with no rows and the report says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

Row = dict[str, Any]

_CHECKS = (
    "run_id",
    "load_date",
    "checked_at",
    "table_name",
    "expectation",
    "column_name",
    "level",
    "severity",
    "success",
    "evaluated",
)
_LATEST_RESULTS = """
    with latest_runs as (
        select load_date, table_name, arg_max(run_id, (checked_at, run_id)) as run_id
        from quality.check_results group by load_date, table_name
    ),
    latest_results as (
        select results.* from quality.check_results as results join latest_runs using (load_date, table_name, run_id)
    )
"""
"""A table that was checked again for a day counts once, with its newest run: a run may repeat a single stage."""


class Facts:
    """Reads aggregates of one warehouse; knows which tables it has."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._columns: dict[str, set[str]] = {}
        for table, column in connection.execute(
            "select schema_name || '.' || table_name, column_name from duckdb_columns() "
            "where database_name = current_database() and not internal"
        ).fetchall():
            self._columns.setdefault(table, set()).add(column)

    def has(self, table: str, *columns: str) -> bool:
        """Whether the table exists with all these columns."""
        return set(columns) <= self._columns.get(table, set()) if table in self._columns else False

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The result as one dict per row."""
        cursor = self._connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def one(self, sql: str) -> Row:
        """The single row of an aggregate without groups."""
        return self.rows(sql)[0]

    def quarantine_tables(self) -> list[str]:
        """The tables of the schema quarantine that have its common shape, by name."""
        shape = {"load_date", "file", "row_number", "row_key"}
        return sorted(
            name.split(".", 1)[1]
            for name, columns in self._columns.items()
            if name.startswith("quarantine.") and shape <= columns
        )


def totals(facts: Facts) -> Row:
    """Headline figures; None where the table that holds one is missing."""
    found: Row = dict.fromkeys(
        (
            "customers",
            "records",
            "sources",
            "shared_customers",
            "orders",
            "buyers",
            "rows_landed",
            "first_day",
            "last_day",
        )
    )
    if facts.has("marts.dim_customer", "customer_id"):
        found |= facts.one("select count(*) as customers from marts.dim_customer")
    if facts.has("marts.customer_xref", "record_id", "customer_id", "source", "load_date"):
        found |= facts.one("select count(*) as records, count(distinct source) as sources from marts.customer_xref")
        found |= facts.one(
            "select count(*) as shared_customers from (select 1 from marts.customer_xref group by customer_id having count(*) > 1)"
        )
    if facts.has("marts.fct_orders", "order_id", "customer_id"):
        found |= facts.one("select count(*) as orders, count(distinct customer_id) as buyers from marts.fct_orders")
    if facts.has("quality.loads", "rows_landed", "load_date"):
        found |= facts.one(
            "select sum(rows_landed)::bigint as rows_landed, min(load_date) as first_day, max(load_date) as last_day from quality.loads"
        )
    if not found["last_day"] and facts.has("marts.customer_xref", "first_load_date", "load_date"):
        found |= facts.one(
            "select min(first_load_date) as first_day, max(load_date) as last_day from marts.customer_xref"
        )
    return found


def revenue_by_currency(facts: Facts) -> list[Row]:
    """`currency`, `revenue`, `orders`, `unconverted` orders; the currency with most orders first.

    Where the marts convert amounts into one reporting currency, that is the only row.
    """
    if facts.has("marts.fct_orders", "reporting_currency", "amount_reporting", "is_revenue"):
        return facts.rows(
            "select reporting_currency as currency, coalesce(sum(amount_reporting) filter (is_revenue), 0)::double as revenue, "
            "count(*) as orders, count(*) filter (amount is not null and amount_reporting is null) as unconverted "
            "from marts.fct_orders group by reporting_currency order by orders desc, currency"
        )
    if not facts.has("marts.fct_orders", "currency", "amount", "is_revenue"):
        return []
    return facts.rows(
        "select currency, coalesce(sum(amount) filter (is_revenue), 0)::double as revenue, count(*) as orders, "
        "0 as unconverted from marts.fct_orders where amount is not null group by currency order by orders desc, currency"
    )


def customers_known(facts: Facts) -> list[Row]:
    """`period` (load date), `new`, `known` (before it), `total`."""
    if not facts.has("marts.customer_xref", "customer_id", "first_load_date"):
        return []
    return facts.rows("""
        with first_loads as (
            select customer_id, min(first_load_date) as period from marts.customer_xref
            where first_load_date is not null group by customer_id
        ),
        new_customers as (select period, count(*) as new from first_loads group by period),
        running as (select period, new, sum(new) over (order by period)::bigint as total from new_customers)
        select period, new, total - new as known, total from running order by period
    """)


def first_activity(facts: Facts) -> list[Row]:
    """`period` (day), `new` customers whose first order or interaction fell on it."""
    parts = [
        f"select customer_id, {moment}::date as day from {table} where customer_id is not null and {moment} is not null"
        for table, moment in (("marts.fct_orders", "ordered_at"), ("marts.fct_interactions", "occurred_at"))
        if facts.has(table, "customer_id", moment)
    ]
    if not parts:
        return []
    return facts.rows(f"""
        with activity as ({" union all ".join(parts)}),
        firsts as (select customer_id, min(day) as period from activity group by customer_id)
        select period, count(*) as new from firsts group by period order by period
    """)


def sources(facts: Facts) -> list[Row]:
    """`source`, `records`, `customers`, `only_here` (customers known from no other source); most records first."""
    if not facts.has("marts.customer_xref", "record_id", "customer_id", "source"):
        return []
    return facts.rows("""
        with per_customer as (
            select customer_id, source, count(*) as records, count(*) over (partition by customer_id) as source_count
            from marts.customer_xref group by customer_id, source
        )
        select source, sum(records)::bigint as records, count(*) as customers,
            count(*) filter (source_count = 1) as only_here
        from per_customer group by source order by records desc, source
    """)


def source_combinations(facts: Facts) -> list[Row]:
    """`sources` (sorted list), `customers`; the most frequent combination first."""
    if not facts.has("marts.customer_xref", "customer_id", "source"):
        return []
    return facts.rows("""
        with combinations as (
            select customer_id, list(distinct source order by source) as sources from marts.customer_xref group by customer_id
        )
        select sources, count(*) as customers from combinations group by sources order by customers desc, sources
    """)


def records_per_customer(facts: Facts) -> list[Row]:
    """`records` (1, 2, ... 10 for ten and more), `customers`."""
    if not facts.has("marts.customer_xref", "customer_id"):
        return []
    return facts.rows("""
        with sizes as (select count(*) as records from marts.customer_xref group by customer_id)
        select least(records, 10) as records, count(*) as customers, max(records) as largest
        from sizes group by least(records, 10) order by records
    """)


def match_weights(facts: Facts, bins: int = 48) -> list[Row]:
    """`bin_start`, `bin_end` (match weight), `pairs`: a histogram with bins of a round width."""
    if not facts.has("resolution.edges", "match_weight"):
        return []
    span = facts.one(
        "select min(match_weight)::double as low, max(match_weight)::double as high from resolution.edges "
        "where isfinite(match_weight)"
    )
    if span["low"] is None:
        return []
    width = next((w for w in (0.25, 0.5, 1.0, 2.0, 5.0) if (span["high"] - span["low"]) / w <= bins), 10.0)
    return facts.rows(
        """
        select floor(match_weight / $1) * $1 as bin_start, floor(match_weight / $1) * $1 + $1 as bin_end, count(*) as pairs
        from resolution.edges where isfinite(match_weight) group by all order by bin_start
        """,
        [width],
    )


def check_trend(facts: Facts) -> list[Row]:
    """`period` (load date), `passed`, `held`, `warned`, `failed`, `unevaluated`, of each day's newest run.

    `held` are row checks that sent rows to quarantine, as they should; `failed` are table checks that stop a run.
    """
    if not facts.has("quality.check_results", *_CHECKS):
        return []
    return facts.rows(
        _LATEST_RESULTS
        + """
        select load_date as period,
            count(*) filter (evaluated and success) as passed,
            count(*) filter (evaluated and not success and severity = 'warn') as warned,
            count(*) filter (evaluated and not success and severity is distinct from 'warn' and level = 'row') as held,
            count(*) filter (
                evaluated and not success and severity is distinct from 'warn' and level is distinct from 'row'
            ) as failed,
            count(*) filter (not coalesce(evaluated, false)) as unevaluated
        from latest_results where load_date is not null group by load_date order by load_date
        """
    )


def open_checks(facts: Facts, limit: int = 15) -> list[Row]:
    """The newest day's checks that did not pass, worst first: `table_name`, `expectation`, `column_name`, `outcome`, `unexpected_count`, `element_count`."""
    if not facts.has("quality.check_results", *_CHECKS, "unexpected_count", "element_count"):
        return []
    return facts.rows(
        _LATEST_RESULTS
        + """
        select table_name, expectation, column_name,
            case when not coalesce(evaluated, false) then 'could not be evaluated'
                when severity = 'warn' then 'warning'
                when level = 'row' then 'held rows back'
                else 'failed' end as outcome,
            unexpected_count, element_count
        from latest_results
        where load_date = (select max(load_date) from latest_results) and not (coalesce(evaluated, false) and success)
        order by coalesce(evaluated, false), severity = 'warn', level = 'row', unexpected_count desc nulls last, table_name, expectation, column_name
        limit ?
        """,
        [limit],
    )


def quarantined(facts: Facts) -> list[Row]:
    """`period` (load date), `table_name`, `rows`: landed rows held back, each counted once however many checks it failed."""
    tables = facts.quarantine_tables()
    if not tables:
        return []
    union = " union all ".join(
        f"""select load_date as period, '{name.replace("'", "''")}' as table_name,
            count(distinct coalesce(file || ':' || row_number, row_key, '')) as rows
        from quarantine."{name}" group by load_date"""
        for name in tables
    )
    return facts.rows(f"select * from ({union}) where period is not null and rows > 0 order by period, table_name")


def rfm_segments(facts: Facts) -> list[Row]:
    """`segment`, `customers`, `revenue`; the most valuable segment first."""
    if not facts.has("analysis.customer_rfm", "rfm_segment", "monetary"):
        return []
    return facts.rows("""
        select rfm_segment as segment, count(*) as customers, coalesce(sum(monetary), 0)::double as revenue
        from analysis.customer_rfm where rfm_segment is not null group by rfm_segment
        order by revenue desc, customers desc, segment
    """)


def sales(facts: Facts, currency: str | None) -> list[Row]:
    """`period` (day), `orders`, `revenue`; of one currency's orders when several are in use, else of the daily figures."""
    if currency is not None:
        return facts.rows(
            "select ordered_at::date as period, count(*) as orders, "
            "coalesce(sum(amount) filter (is_revenue), 0)::double as revenue "
            "from marts.fct_orders where currency = ? and ordered_at is not null group by all order by period",
            [currency],
        )
    if not facts.has("analysis.daily_kpis", "kpi_date", "orders", "revenue"):
        return []
    return facts.rows(
        "select kpi_date as period, coalesce(orders, 0)::bigint as orders, coalesce(revenue, 0)::double as revenue "
        "from analysis.daily_kpis where orders > 0 order by kpi_date"
    )


def consent(facts: Facts) -> list[Row]:
    """`purpose`, `channel`, `granted`, `withdrawn`: customers, one answer each."""
    if not facts.has("marts.fct_consent", "customer_id", "purpose", "channel", "status"):
        return []
    return facts.rows("""
        select purpose, channel, count(distinct customer_id) filter (status = 'granted') as granted,
            count(distinct customer_id) filter (status = 'withdrawn') as withdrawn
        from marts.fct_consent group by purpose, channel order by purpose, channel
    """)


@dataclass(frozen=True)
class Grain:
    """A calendar unit that keeps a time axis readable."""

    name: str

    def start(self, day: date) -> date:
        """The first day of the unit that holds `day`."""
        match self.name:
            case "day":
                return day
            case "month":
                return day.replace(day=1)
            case _:
                return day.replace(month=1, day=1)

    def next(self, start: date) -> date:
        """The first day of the unit after."""
        match self.name:
            case "day":
                return date.fromordinal(start.toordinal() + 1)
            case "month":
                return date(start.year + start.month // 12, start.month % 12 + 1, 1)
            case _:
                return date(start.year + 1, 1, 1)

    def label(self, start: date) -> str:
        """How the unit is written: 5 Jan 2026, Jan 2026, 2026."""
        match self.name:
            case "day":
                return f"{start.day} {start:%b %Y}"
            case "month":
                return f"{start:%b %Y}"
            case _:
                return str(start.year)


def grain_for(first: date, last: date) -> Grain:
    """Days up to two months, months up to eight years, years beyond."""
    days = (last - first).days
    return Grain("day" if days <= 62 else "month" if days <= 8 * 366 else "year")


def by_period(rows: Sequence[Mapping[str, Any]], sums: Sequence[str]) -> tuple[Grain, list[Row]]:
    """Add daily rows up to a readable grain, with zero rows for the units between, so that gaps show as gaps."""
    grain = grain_for(rows[0]["period"], rows[-1]["period"])
    added: dict[date, Row] = {}
    unit = grain.start(rows[0]["period"])
    while unit <= rows[-1]["period"]:
        added[unit] = {"period": unit, **dict.fromkeys(sums, 0)}
        unit = grain.next(unit)
    for row in rows:
        for name in sums:
            added[grain.start(row["period"])][name] += row[name]
    return grain, list(added.values())
