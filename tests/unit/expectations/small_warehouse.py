"""A warehouse small enough to read, in which every gate passes, and ways to run one gate over it."""

from datetime import date
from pathlib import Path

import duckdb

from expectations.suites import gate_of
from orchestration.identity import ensure_tables
from orchestration.quality import GateResult, RunContext
from orchestration.quality.gate import run_gate

DAY = date(2026, 1, 5)
RUN = RunContext("run-1", DAY)

_CUSTOMERS = "'cus_' || lpad(cast(i as varchar), 20, '0')"

STATEMENTS = (
    "create schema integration; create schema cleansing; create schema resolution; create schema marts",
    """
    create table integration.int_customer_records as
    select
        'crm:' || i as record_id, 'crm' as source, cast(i as varchar) as source_record_id, 'Zoë' as given_name,
        null::varchar as middle_name, 'O''Hara' as family_name, date '1980-02-29' as birth_date, 'f' as gender,
        'P' || i || '@Example.com' as email, '+44 20 7946 0' || i as phone, '1 Main St' as street,
        null::varchar as unit, 'London' as city, null::varchar as region, 'SW1A 1AA' as postcode,
        'United Kingdom' as country, null::varchar as national_id, timestamp '2026-01-04 10:00:00' as updated_at,
        date '2026-01-05' as load_date, date '2026-01-05' as first_load_date
    from range(100, 220) as t(i)
    """,
    """
    create table cleansing.standardised_records as
    select
        * replace (
            lower(email) as email, '+4420794600' || source_record_id as phone, 'GB' as country, 'female' as gender
        ),
        []::varchar[] as placeholder_fields
    from integration.int_customer_records
    """,
    f"""
    create table resolution.memberships as
    select 'crm:' || i as record_id, {_CUSTOMERS} as customer_id, 1.0::double as match_probability
    from range(100, 220) as t(i)
    """,
    """
    create table cleansing.golden_customers as
    select memberships.customer_id, given_name, family_name, birth_date, email, phone, country
    from resolution.memberships inner join cleansing.standardised_records using (record_id)
    """,
    """
    create table integration.int_orders as
    select
        'o' || i as order_id, 'crm:' || (100 + i % 120) as record_id, timestamp '2026-01-02 12:00:00' as ordered_at,
        timestamp '2026-01-03 12:00:00' as updated_at, 'shipped' as status, 'web' as channel, 'EUR' as currency,
        (10 + i)::decimal(12, 2) as amount, 2::bigint as items, 'shop' as source, date '2026-01-05' as load_date
    from range(150) as t(i)
    """,
    """
    create table integration.int_customer_events as
    select
        'e' || i as event_id, 'crm:' || (100 + i % 120) as record_id, 'page_viewed' as event_type, 'web' as channel,
        timestamp '2026-01-02 12:00:00' as occurred_at, null::decimal(12, 2) as amount, null::varchar as currency,
        '{}'::json as properties, 'web' as source, 'anon' || i as anonymous_id, date '2026-01-05' as load_date
    from range(1200) as t(i)
    """,
    """
    create table integration.int_consent_events as
    select
        'c' || i as consent_event_id, 'crm:' || (100 + i % 120) as record_id, 'marketing' as purpose,
        'email' as channel, case when i % 120 < 20 then 'withdrawn' else 'granted' end as status,
        'consent' as legal_basis, timestamp '2026-01-02 12:00:00' - to_days((i // 120)::integer) as occurred_at,
        'web_form' as method, 'marketing' as source, date '2026-01-05' as load_date
    from range(1200) as t(i)
    """,
    """
    create table marts.dim_customer as
    select
        *, date '2026-01-05' as first_seen_on, 1::bigint as record_count, 1::bigint as source_count, 'crm' as sources
    from cleansing.golden_customers
    """,
    """
    create table marts.fct_orders as
    select
        order_id, customer_id, record_id, ordered_at, ordered_at::date as order_date, status, channel, currency, amount,
        amount::decimal(14, 2) as amount_reporting, items, true as is_revenue, source
    from integration.int_orders inner join resolution.memberships using (record_id)
    """,
    """
    create table marts.fct_interactions as
    select event_id as interaction_id, customer_id, record_id, anonymous_id, event_type as interaction_type, occurred_at
    from integration.int_customer_events inner join resolution.memberships using (record_id)
    """,
    """
    create table marts.fct_consent as
    select
        customer_id, purpose, channel, status, legal_basis, occurred_at as decided_at, record_id, false as conflicting
    from integration.int_consent_events inner join resolution.memberships using (record_id)
    qualify row_number() over (partition by customer_id, purpose, channel order by occurred_at desc) = 1
    """,
    """
    create table marts.customer_360 as
    with orders as (
        select customer_id, sum(amount_reporting) as revenue, min(order_date) as first_order_date,
            max(order_date) as last_order_date
        from marts.fct_orders group by customer_id
    ),
    allowed as (
        select customer_id, bool_or(status = 'granted') as email_allowed from marts.fct_consent group by customer_id
    )
    select
        customer_id, coalesce(revenue, 0) as revenue, first_order_date, last_order_date,
        coalesce(email_allowed, false) as email_marketing_allowed, false as sms_marketing_allowed,
        false as profiling_allowed
    from marts.dim_customer left join orders using (customer_id) left join allowed using (customer_id)
    """,
)


# On the tables that identity makes: everybody was given an id on the first day, and one of the ids was merged.
IDENTITY = (
    """
    insert into resolution.customer_ids
    select customer_id, record_id, 0, date '2026-01-05', 1, null, null, customer_id from resolution.memberships
    union all
    select 'cus_0000000000000000gone', 'crm:100', 1, '2026-01-05', 1, '2026-01-05', 'record', 'cus_00000000000000000100'
    """,
    """
    insert into resolution.id_events
    select
        'evt_' || left(sha256(customer_id), 20), date '2026-01-05', 'minted', customer_id, null, 'record', '{}',
        record_id, null, row_number() over (order by customer_id)
    from resolution.customer_ids
    union all
    select
        'evt_00000000000000000000', date '2026-01-05', 'merged', 'cus_0000000000000000gone', 'cus_00000000000000000100',
        'record', '{}', null, null, 1000
    """,
    "insert into resolution.accepted_customer_ids select * from resolution.customer_ids",
    """
    create table resolution.review_queue as
    select
        'crm:' || (100 + i) as record_id_l, 'crm:' || (101 + i) as record_id_r, 0.5::double as match_probability,
        0.0::double as match_weight, 'may be one person' as reason, 1.0::double as effect, i + 1 as rank
    from range(10) as t(i)
    """,
    """
    insert into resolution.judgements values (1, 'crm:100', 'crm:119', 'cannot_link', timestamp '2026-01-05 10:00:00')
    """,
)


def make(path: Path) -> Path:
    """Make the warehouse at a path."""
    with duckdb.connect(str(path)) as con:
        for statement in STATEMENTS:
            con.execute(statement)
        ensure_tables(con)
        for statement in IDENTITY:
            con.execute(statement)
    return path


def execute(path: Path, statement: str) -> list[tuple]:
    """Run one statement on the warehouse."""
    with duckdb.connect(str(path)) as con:
        return con.execute(statement).fetchall()


def gate(path: Path, name: str, run: RunContext = RUN) -> GateResult:
    """Run the gate of `schema.table`."""
    found = gate_of(*name.split("."))
    assert found is not None
    return run_gate(path, found, run)
