"""Which id each cluster gets: the rules that keep customer ids stable.

Belongs here: carrying ids over from the last accepted run to new clusters, minting, and where retired ids lead. Does
not belong here: finding clusters, causes and evidence of events (see `events`), what is remembered (see `state`).

The rules, in this order, each a function of the old memberships and the new clusters alone:

1. An id goes with its *founding record*: to the cluster that holds it. If the founding record is gone, to the cluster
   that holds most of the id's records (then the one with the smallest of them). So a split leaves the id where its
   founding record is.
2. Where several ids go to one cluster, the one with most records in the old memberships keeps living there (then the
   one that was minted earlier, then the smaller founding record). The others are merged into it.
3. A cluster that no id goes to gets a minted one.
4. An id none of whose records is left is retired.

An id has one life: minted once, ended at most once, never revived. A new cluster whose founding record founded an
earlier id gets an id of the next generation of that record.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from orchestration.identity.events import append_events, find_changed_judgements, find_evidence, find_model_moves
from orchestration.identity.state import (
    ACCEPTED_IDS,
    ACCEPTED_JUDGEMENTS,
    ACCEPTED_MEMBERSHIPS,
    ACCEPTED_RUN,
    CUSTOMER_IDS,
    ID_EVENTS,
    MEMBERSHIPS,
    ensure_tables,
)

if TYPE_CHECKING:
    import duckdb

# Hexadecimal digits of the id: 80 bits, so that two of a billion customers share one with a chance below one in a
# million (birthday bound n^2 / 2^81).
ID_DIGITS = 20


@dataclass(frozen=True)
class IdChanges:
    """How many events of each kind a run appended."""

    minted: int = 0
    merged: int = 0
    split: int = 0
    retired: int = 0


def customer_id_sql(record: str, generation: str) -> str:
    """SQL: the id that a founding record gives; generation 0 hashes the record id alone.

    The record id is hashed so that an id tells nothing of the source. A control character, which the loader lets
    through in no value, parts it from the generation.
    """
    text = f"case when {generation} = 0 then {record} else {record} || chr(31) || {generation} end"
    return f"'cus_' || left(sha256({text}), {ID_DIGITS})"


def assign_ids(
    con: "duckdb.DuckDBPyConnection",
    clusters: str,
    records: str,
    run_date: date,
    *,
    model_version: str | None = None,
    edges: str | None = None,
    judgements: str | None = None,
    regrouped: str | None = None,
) -> IdChanges:
    """Give every cluster an id, starting from the last accepted run, and append what happened.

    Writes `resolution.memberships`, `resolution.customer_ids` and `resolution.id_events`, all or none. What an earlier
    run wrote without being accepted (`accept_ids`) is replaced. The order of rows in any input makes no difference.

    Args:
        clusters: table of record_id, cluster_id, match_probability; one row per record.
        records: table with record_id and first_load_date, which say who founds a new customer: the record that was
            loaded first, the smallest record id among those of one day.
        run_date: the load date of the run.
        model_version: the model behind the clusters; another one than at the last accepted run is the cause of events.
        edges: table of record_id_l, record_id_r, match_weight, model_version, for evidence.
        judgements: table like `resolution.judgements`, applied to the clusters, for causes.
        regrouped: how a new model alone groups what the last accepted run saw and what still says the same (see
            `regrouping`): record_id, cluster_id. Without it every change that no judgement made is a new model's.
    """
    ensure_tables(con)
    con.execute("begin")
    try:
        changes = _assign(con, clusters, records, run_date, model_version, edges, judgements, regrouped)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    for name in _TEMPORARY:
        con.execute(f"drop table if exists temp.{name}")
    return changes


_TEMPORARY = (
    "kindred_changed", "kindred_before", "kindred_now", "kindred_model_moves", "kindred_overlaps", "kindred_sizes", "kindred_heirs", "kindred_named", "kindred_minted", "kindred_moves",
    "kindred_retired", "kindred_touched", "kindred_changed_judgements", "kindred_evidence",
)  # fmt: skip


def _assign(
    con: "duckdb.DuckDBPyConnection",
    clusters: str,
    records: str,
    run_date: date,
    model_version: str | None,
    edges: str | None,
    judgements: str | None,
    regrouped: str | None,
) -> IdChanges:
    day = f"date '{run_date.isoformat()}'"
    con.execute(f"delete from {ID_EVENTS} where position > coalesce((select events from {ACCEPTED_RUN}), 0)")
    accepted = con.execute(f"select model_version from {ACCEPTED_RUN}").fetchall()
    _find_changed(con, clusters)
    _carry_over(con)
    _mint(con, records)
    con.execute(
        f"""
        create or replace table {MEMBERSHIPS} as
        select record_id, coalesce(named.customer_id, old.customer_id) as customer_id, clusters.match_probability
        from {clusters} as clusters
        left join kindred_named as named using (cluster_id)
        left join {ACCEPTED_MEMBERSHIPS} as old using (record_id)
        order by record_id
        """
    )
    _find_moves(con)
    if judgements is not None:
        find_changed_judgements(con, ACCEPTED_JUDGEMENTS, judgements)
    moved = int(con.execute("select count(*) from kindred_moves").fetchall()[0][0])
    find_evidence(con, edges if moved else None, judgements if moved else None)
    model_changed = bool(accepted) and model_version not in (None, accepted[0][0])
    find_model_moves(con, regrouped, model_changed=model_changed)
    append_events(con, ID_EVENTS, day)
    _write_ids(con, day)
    counted = con.execute(
        f"""
        select kind, count(*) from {ID_EVENTS}
        where position > coalesce((select events from {ACCEPTED_RUN}), 0) group by kind
        """
    ).fetchall()
    return IdChanges(**{str(kind): int(count) for kind, count in counted})


def _find_changed(con: "duckdb.DuckDBPyConnection", clusters: str) -> None:
    """`kindred_before` and `kindred_now`: of the clusters that are not what they were, the members then and now.

    A cluster none of whose records came, went or changed its cluster's name has the members it had: its id stays
    whatever happens elsewhere. Names that change without a change of members only cost time.
    """
    con.execute(
        f"""
        create or replace temp table kindred_changed as
        with
            compared as (
                select
                    case when clusters.cluster_id is not null then hash(clusters.cluster_id) end as cluster_hash,
                    old.cluster_hash as hash_before
                from {clusters} as clusters full outer join {ACCEPTED_MEMBERSHIPS} as old using (record_id)
            ),
            changed as (
                select * from compared where cluster_hash is distinct from hash_before or hash_before is null
            )
        select cluster_hash from changed where cluster_hash is not null
        union
        select hash_before from changed where hash_before is not null;

        create or replace temp table kindred_now as
        select record_id, cluster_id from {clusters}
        where hash(cluster_id) in (select cluster_hash from kindred_changed);

        create or replace temp table kindred_before as
        with old as (
            select record_id, customer_id from {ACCEPTED_MEMBERSHIPS}
            where cluster_hash is null or cluster_hash in (select cluster_hash from kindred_changed)
        )
        select old.record_id, old.customer_id, clusters.cluster_id
        from old left join kindred_now as clusters using (record_id);
        """
    )


def _carry_over(con: "duckdb.DuckDBPyConnection") -> None:
    """Rules 1 and 2: `kindred_heirs` (where each id goes) and `kindred_named` (the clusters that keep an id)."""
    con.execute(
        f"""
        create or replace temp table kindred_sizes as
        select customer_id, count(*) as records from kindred_before group by customer_id;

        create or replace temp table kindred_overlaps as
        select
            old.customer_id, old.cluster_id, count(*) as records, min(old.record_id) as first_record,
            bool_or(ids.record_id is not distinct from old.record_id) as has_founder
        from kindred_before as old
        inner join {ACCEPTED_IDS} as ids using (customer_id)
        where old.cluster_id is not null
        group by old.customer_id, old.cluster_id;

        create or replace temp table kindred_heirs as
        select customer_id, arg_min(cluster_id, (not has_founder, -records, first_record)) as cluster_id
        from kindred_overlaps group by customer_id;

        create or replace temp table kindred_named as
        select
            heirs.cluster_id,
            arg_min(heirs.customer_id, (-sizes.records, ids.run_number, coalesce(ids.record_id, ''), ids.customer_id))
                as customer_id
        from kindred_heirs as heirs
        inner join kindred_sizes as sizes using (customer_id)
        inner join {ACCEPTED_IDS} as ids using (customer_id)
        group by heirs.cluster_id;
        """
    )


def _mint(con: "duckdb.DuckDBPyConnection", records: str) -> None:
    """Rule 3: `kindred_minted`, and its clusters added to `kindred_named`."""
    con.execute(
        f"""
        create or replace temp table kindred_minted as
        select
            clusters.cluster_id,
            arg_min(clusters.record_id, (coalesce(records.first_load_date, date '9999-12-31'), clusters.record_id))
                as record_id,
            0::integer as generation,
            count(*) as records,
            null::varchar as customer_id
        from kindred_now as clusters
        anti join kindred_named as named using (cluster_id)
        left join {records} as records using (record_id)
        group by clusters.cluster_id
        """
    )
    con.execute(f"update kindred_minted set customer_id = {customer_id_sql('record_id', 'generation')}")
    given = f"customer_id in (select customer_id from {ACCEPTED_IDS})"
    while con.execute(f"select count(*) from kindred_minted where {given}").fetchall()[0][0]:
        con.execute(
            f"""
            update kindred_minted
            set generation = generation + 1, customer_id = {customer_id_sql("record_id", "(generation + 1)")}
            where {given}
            """
        )
    con.execute("insert into kindred_named select cluster_id, customer_id from kindred_minted")


def _find_moves(con: "duckdb.DuckDBPyConnection") -> None:
    """`kindred_moves`: records that changed their id, by old id and new cluster; `kindred_retired`: rule 4."""
    con.execute(
        """
        create or replace temp table kindred_moves as
        select
            shared.customer_id, shared.cluster_id, named.customer_id as target, shared.records,
            case when heirs.cluster_id = shared.cluster_id then 'merged' else 'split' end as kind
        from kindred_overlaps as shared
        inner join kindred_named as named using (cluster_id)
        inner join kindred_heirs as heirs on shared.customer_id = heirs.customer_id
        where named.customer_id <> shared.customer_id;

        create or replace temp table kindred_retired as
        select customer_id, records from kindred_sizes
        anti join kindred_heirs using (customer_id);

        create or replace temp table kindred_touched as
        select record_id, old.customer_id, clusters.cluster_id
        from kindred_now as clusters
        left join kindred_before as old using (record_id)
        where
            clusters.cluster_id in (select cluster_id from kindred_moves)
            or old.customer_id in (select customer_id from kindred_moves);
        """
    )


def _write_ids(con: "duckdb.DuckDBPyConnection", day: str) -> None:
    """`resolution.customer_ids`: the minted ones added, the ended ones retired, every retired one led to a living one.

    A retired id leads to whoever holds its founding record now, since that is whom it meant. When that record is gone
    it leads where it was merged into, and onwards when that one has ended too.
    """
    con.execute(
        f"""
        create or replace table {CUSTOMER_IDS} as
        with ended as (
            select customer_id, target from kindred_moves where kind = 'merged'
            union all
            select customer_id, null from kindred_retired
        ),
        causes as (
            select customer_id, cause from {ID_EVENTS}
            where kind in ('merged', 'retired') and position > coalesce((select events from {ACCEPTED_RUN}), 0)
        ),
        known as (
            select
                ids.customer_id, ids.record_id, ids.generation, ids.minted_on, ids.run_number,
                coalesce(ids.retired_on, case when ended.customer_id is not null then {day} end) as retired_on,
                coalesce(ids.cause, causes.cause) as cause,
                case when ended.customer_id is not null then ended.target else ids.current_customer_id end as leads_to
            from {ACCEPTED_IDS} as ids
            left join ended using (customer_id)
            left join causes using (customer_id)
            union all
            select
                customer_id, record_id, generation, {day}, (select coalesce(max(run_number), 0) + 1 from {ACCEPTED_IDS}),
                null, null, customer_id
            from kindred_minted
        ),
        founders as (
            select record_id, customer_id from {MEMBERSHIPS}
            where record_id in (select record_id from known where retired_on is not null)
        )
        select
            known.customer_id, known.record_id, known.generation, known.minted_on, known.run_number, known.retired_on,
            known.cause,
            case
                when known.retired_on is null then known.customer_id
                when founders.customer_id is not null then founders.customer_id
                when ended.customer_id is not null then ended.target
                else known.leads_to
            end as current_customer_id
        from known
        -- One equation: a condition on the left side beside it would make DuckDB compare every pair of rows.
        left join founders on case when known.retired_on is not null then known.record_id end = founders.record_id
        left join ended on known.leads_to = ended.customer_id
        order by known.customer_id
        """
    )
