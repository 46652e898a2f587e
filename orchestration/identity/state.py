"""What is remembered about customer ids between runs: the tables, and taking a run's ids over when it is published.

Belongs here: the tables' shapes, accepting a run, forgetting a person. Does not belong here: which id a cluster gets
(see `ids`).

A run assigns ids on top of the last *accepted* state, and is accepted right before it is published. A run that a gate
stopped leaves no trace in the ids: what nobody saw needs no event, and the next run starts where the last published one
ended.
"""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from orchestration.identity.events import event_id_sql

if TYPE_CHECKING:
    import duckdb

MEMBERSHIPS = "resolution.memberships"
CUSTOMER_IDS = "resolution.customer_ids"
ID_EVENTS = "resolution.id_events"
JUDGEMENTS = "resolution.judgements"

ACCEPTED_MEMBERSHIPS = "resolution.accepted_memberships"
ACCEPTED_IDS = "resolution.accepted_customer_ids"
ACCEPTED_JUDGEMENTS = "resolution.accepted_judgements"
ACCEPTED_RUN = "resolution.accepted_run"

# One row per id that was ever given. `record_id` is the founding record (null once it was erased), `run_number` the
# order in which ids were minted, `current_customer_id` the id itself while it lives, else the living one that it leads
# to, null when nobody is left; `cause` says why it was retired.
_ID_COLUMNS = """(
    customer_id varchar not null,
    record_id varchar,
    generation integer not null,
    minted_on date not null,
    run_number bigint not null,
    retired_on date,
    cause varchar,
    current_customer_id varchar
)"""
_JUDGEMENT_COLUMNS = """(
    judgement_id bigint not null,
    record_id_l varchar not null,
    record_id_r varchar not null,
    verdict varchar not null,
    decided_at timestamp not null
)"""
_TABLES = (
    f"{MEMBERSHIPS} (record_id varchar not null, customer_id varchar not null, match_probability double)",
    f"{CUSTOMER_IDS} {_ID_COLUMNS}",
    # Append-only from one accepted run to the next. `evidence` is JSON without personal values; the records that it
    # names stand in record_id_l and record_id_r too, so that they can be found and forgotten.
    f"""{ID_EVENTS} (
        event_id varchar not null,
        run_date date not null,
        kind varchar not null,
        customer_id varchar not null,
        other_customer_id varchar,
        cause varchar not null,
        evidence json,
        record_id_l varchar,
        record_id_r varchar,
        position bigint not null
    )""",
    f"{JUDGEMENTS} {_JUDGEMENT_COLUMNS}",
    # `cluster_hash` is a hash of the cluster's name (which is a record's id, and would outlive that record here), `said`
    # one of what the record said: null where nobody told.
    f"{ACCEPTED_MEMBERSHIPS} (record_id varchar not null, customer_id varchar not null, cluster_hash ubigint, said ubigint)",
    f"{ACCEPTED_IDS} {_ID_COLUMNS}",
    f"{ACCEPTED_JUDGEMENTS} {_JUDGEMENT_COLUMNS}",
    # At most one row: the last run that was published, its model, and how many events it ended with.
    f"{ACCEPTED_RUN} (run_date date not null, model_version varchar, events bigint not null)",
)


def ensure_tables(con: "duckdb.DuckDBPyConnection") -> None:
    """Create the schema `resolution` and the tables of ids and judgements where they are missing."""
    con.execute("create schema if not exists resolution")
    for table in _TABLES:
        con.execute(f"create table if not exists {table}")
    for column in ("cluster_hash ubigint", "said ubigint"):
        con.execute(f"alter table {ACCEPTED_MEMBERSHIPS} add column if not exists {column}")


def accept_ids(
    con: "duckdb.DuckDBPyConnection",
    run_date: date,
    model_version: str | None,
    *,
    clusters: str | None = None,
    said: str | None = None,
) -> None:
    """Take over the ids that the run assigned: later runs start from them. Accepting twice changes nothing.

    Args:
        run_date: the load date of the run.
        model_version: the linkage model that the run used.
        clusters: the clusters that the ids were assigned to; the next run need look only at those that changed then.
        said: table of record_id and row_hash, what each record said to the run; without it nobody can tell later
            whether a record changed (see `regrouping`).
    """
    ensure_tables(con)
    cluster, row_hash = ("hash(clusters.cluster_id)" if clusters else "null"), ("said.row_hash" if said else "null")
    joins = f"left join {clusters} as clusters using (record_id)" if clusters else ""
    joins += f" left join {said} as said using (record_id)" if said else ""
    con.execute("begin")
    try:
        con.execute(
            f"""
            create or replace table {ACCEPTED_MEMBERSHIPS} as
            select record_id, members.customer_id, {cluster}::ubigint as cluster_hash, {row_hash}::ubigint as said
            from {MEMBERSHIPS} as members {joins};
            create or replace table {ACCEPTED_IDS} as select * from {CUSTOMER_IDS};
            create or replace table {ACCEPTED_JUDGEMENTS} as select * from {JUDGEMENTS};
            """
        )
        con.execute(f"delete from {ACCEPTED_RUN}")
        con.execute(
            f"insert into {ACCEPTED_RUN} select ?, ?, coalesce(max(position), 0) from {ID_EVENTS}",
            [run_date, model_version],
        )
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise


def forget_customers(
    con: "duckdb.DuckDBPyConnection",
    customer_ids: Sequence[str],
    run_date: date,
    *,
    records: Sequence[str] = (),
    within: bool = False,
) -> None:
    """Erase customers from all that is remembered about ids.

    Their records disappear from every table here, evidence that names one of them is emptied, and each id ends with an
    event `retired` of cause `erasure` and a redirect to nobody. The id itself stays, as one that is never given again.
    Doing it twice changes nothing.

    Args:
        records: further records of theirs, such as those that were taken out of the memberships before.
        within: a transaction is open already, and the caller ends it.
    """
    ensure_tables(con)
    if not within:
        con.execute("begin")
    try:
        con.execute("create or replace temp table kindred_forgotten as select unnest(?)::varchar as customer_id",
                    [sorted(set(customer_ids))])  # fmt: skip
        con.execute(
            f"""
            create or replace temp table kindred_forgotten_records as
            select record_id from {MEMBERSHIPS} where customer_id in (select customer_id from kindred_forgotten)
            union
            select record_id from {ACCEPTED_MEMBERSHIPS} where customer_id in (select customer_id from kindred_forgotten)
            union
            select record_id from {CUSTOMER_IDS}
            where record_id is not null and customer_id in (select customer_id from kindred_forgotten)
            union
            select unnest(?)::varchar as record_id
            """,
            [sorted(set(records))],
        )
        _forget(con, run_date)
        con.execute("drop table kindred_forgotten; drop table kindred_forgotten_records")
        if not within:
            con.execute("commit")
    except BaseException:
        if not within:
            con.execute("rollback")
        raise


def _forget(con: "duckdb.DuckDBPyConnection", run_date: date) -> None:
    gone = "(select record_id from kindred_forgotten_records)"
    erased = "(select customer_id from kindred_forgotten)"
    # Events of a run that was never accepted would otherwise count as accepted from here on.
    con.execute(f"delete from {ID_EVENTS} where position > (select events from {ACCEPTED_RUN})")
    con.execute(
        f"""
        update {ID_EVENTS}
        set evidence = json_object('erased', true), record_id_l = null, record_id_r = null
        where record_id_l in {gone} or record_id_r in {gone} or (customer_id in {erased} and record_id_l is not null)
        """
    )
    con.execute(
        f"""
        insert into {ID_EVENTS}
        select
            {event_id_sql("?", "'retired'", "ids.customer_id", "null", "0")}, ?, 'retired', ids.customer_id, null,
            'erasure', json_object('what', 'the person was erased'), null, null,
            (select coalesce(max(position), 0) from {ID_EVENTS}) + row_number() over (order by ids.customer_id)
        from {CUSTOMER_IDS} as ids
        where ids.customer_id in {erased} and ids.retired_on is null
        """,
        [run_date, run_date],
    )
    for table in (CUSTOMER_IDS, ACCEPTED_IDS):
        con.execute(
            f"""
            update {table}
            set
                retired_on = coalesce(retired_on, ?), cause = case when retired_on is null then 'erasure' else cause end,
                current_customer_id = null
            where customer_id in {erased} or current_customer_id in {erased}
            """,
            [run_date],
        )
        con.execute(f"update {table} set record_id = null where record_id in {gone}")
    for table in (MEMBERSHIPS, ACCEPTED_MEMBERSHIPS):
        con.execute(f"delete from {table} where record_id in {gone}")
    for table in (JUDGEMENTS, ACCEPTED_JUDGEMENTS):
        con.execute(f"delete from {table} where record_id_l in {gone} or record_id_r in {gone}")
    con.execute(f"update {ACCEPTED_RUN} set events = (select coalesce(max(position), 0) from {ID_EVENTS})")
