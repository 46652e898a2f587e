"""What a customer refused goes on binding every part of it when the customer is split.

Belongs here: the table `resolution.carried_refusals` and the SQL that adds to it. Does not belong here: which answer holds
(dbt's `fct_consent` and `fct_restriction`, which read the table).

A merge needs nothing: the strictest answer of the records wins. A split would undo that for the records that hold no
refusal of their own, although nobody granted anything: the records were one customer who had said no. So, right after
resolution and before the marts are built, every record that was in a refusing customer and is now in one that does not
refuse gets the refusal itself. It counts from the run's day, and never before what the record had answered until then, so
that only a grant given later lifts it: through the source, or through `kindred consent set`.

The table is appended to and never emptied by a run. Replaying the landed days one by one gives the same rows.
"""

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

CARRIED_TABLE = "resolution.carried_refusals"
BEFORE = "marts.customer_xref"
"""Which record was which customer when the marts were built last."""

_TABLE = f"""
create table if not exists {CARRIED_TABLE} (
    record_id varchar, kind varchar, purpose varchar, channel varchar, legal_basis varchar, occurred_at timestamp,
    carried_on date
)
"""

# `refuses` is decided per record by its last answer, as in fct_consent and fct_restriction.
_CARRY = f"""
insert into {CARRIED_TABLE}
with answers as (
    select record_id, 'consent' as kind, purpose, channel, legal_basis, occurred_at, status = 'withdrawn' as refuses
    from integration.int_consent_events
    union all
    select record_id, 'restriction', purpose, 'any', null, occurred_at, status = 'restricted'
    from integration.ledger_restrictions
    union all
    select record_id, kind, purpose, channel, legal_basis, occurred_at, true
    from {CARRIED_TABLE}
),
last_answers as (
    select *
    from answers
    qualify row_number() over (
        partition by record_id, kind, purpose, channel order by occurred_at desc, refuses desc, legal_basis nulls last
    ) = 1
),
refusals_before as (
    select
        before.customer_id, answers.kind, answers.purpose, answers.channel, min(answers.legal_basis) as legal_basis,
        max(answers.occurred_at) as occurred_at
    from last_answers as answers
    inner join {BEFORE} as before using (record_id)
    where answers.refuses
    group by all
),
refusals_now as (
    select distinct now.customer_id, answers.kind, answers.purpose, answers.channel
    from last_answers as answers
    inner join {{memberships}} as now using (record_id)
    where answers.refuses
)
select
    before.record_id, refused.kind, refused.purpose, refused.channel, refused.legal_basis,
    greatest($load_date::timestamp, refused.occurred_at, own.occurred_at) as occurred_at, $load_date::date as carried_on
from refusals_before as refused
inner join {BEFORE} as before using (customer_id)
inner join {{memberships}} as now on now.record_id = before.record_id
left join refusals_now as standing
    on standing.customer_id = now.customer_id and standing.kind = refused.kind
    and standing.purpose = refused.purpose and standing.channel = refused.channel
left join last_answers as own
    on own.record_id = before.record_id and own.kind = refused.kind
    and own.purpose = refused.purpose and own.channel = refused.channel
where standing.customer_id is null
order by before.record_id, refused.kind, refused.purpose, refused.channel
"""


def prepare_carrying(con: "duckdb.DuckDBPyConnection") -> None:
    """Make the table, empty, where it does not exist yet."""
    con.execute("create schema if not exists resolution")
    con.execute(_TABLE)


def carry_refusals(con: "duckdb.DuckDBPyConnection", memberships: str, load_date: date) -> int:
    """Add what splits since the marts were built last would have undone.

    Args:
        memberships: the table of the resolution that is going to be published: record_id, customer_id.
        load_date: the run's day.

    Returns:
        The number of refusals carried.
    """
    prepare_carrying(con)
    schema, name = BEFORE.split(".")
    if not con.execute(
        "select 1 from duckdb_tables() where database_name = current_database() and schema_name = ? and table_name = ?",
        [schema, name],
    ).fetchall():
        return 0
    done = con.execute(_CARRY.format(memberships=memberships), {"load_date": load_date}).fetchall()
    return int(done[0][0])
