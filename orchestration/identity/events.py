"""Identity events: what happened to an id in a run, why, and the evidence for it.

Belongs here: deriving cause and evidence, and appending events. Does not belong here: deciding which id a cluster gets
(see `ids`, which leaves the temporary tables that are read here).
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_EVENT_DIGITS = 20


def event_id_sql(run_date: str, kind: str, customer: str, other: str, ordinal: str) -> str:
    """SQL: an event's id, a hash of what it tells; `ordinal` counts earlier events that tell the same."""
    parts = f"{run_date}::date, {kind}, {customer}, coalesce({other}, ''), {ordinal}"
    return f"'evt_' || left(sha256(concat_ws(chr(31), {parts})), {_EVENT_DIGITS})"


def find_evidence(con: "duckdb.DuckDBPyConnection", edges: str | None, judgements: str | None) -> None:
    """Make `kindred_evidence`: for each move of records the judgement or the edge that speaks for it most.

    Reads `kindred_moves` (customer_id, cluster_id, kind, target) and `kindred_touched` (record_id, customer_id it had
    or null, cluster_id). A changed judgement comes before any edge. For a merge it is a pair that the cluster now
    holds together, for a split one that it now keeps apart.
    """
    found = []
    if judgements is not None:
        found.append(
            """
            select
                record_id_l, record_id_r, null::double as weight, null::varchar as model_version,
                judgement_id, verdict, pushes
            from kindred_changed_judgements
            """
        )
    if edges is not None:
        found.append(
            f"""
            select
                record_id_l, record_id_r, match_weight as weight, model_version,
                null::bigint as judgement_id, null::varchar as verdict, null::varchar as pushes
            from {edges}
            """
        )
    if not found:
        con.execute(
            """
            create or replace temp table kindred_evidence (
                customer_id varchar, cluster_id varchar, record_id_l varchar, record_id_r varchar, weight double,
                model_version varchar, judgement_id bigint, verdict varchar
            )
            """
        )
        return
    con.execute(
        f"""
        create or replace temp table kindred_evidence as
        with said as (
            {" union all by name ".join(found)}
        ),
        placed as (
            select
                said.*, l.customer_id as old_l, r.customer_id as old_r, l.cluster_id as new_l, r.cluster_id as new_r
            from said
            inner join kindred_touched as l on said.record_id_l = l.record_id
            inner join kindred_touched as r on said.record_id_r = r.record_id
        ),
        speaking as (
            select
                moves.customer_id, moves.cluster_id, placed.record_id_l, placed.record_id_r, placed.weight,
                placed.model_version, placed.judgement_id, placed.verdict
            from kindred_moves as moves
            inner join placed
                on
                    moves.kind = 'merged' and placed.new_l = moves.cluster_id and placed.new_r = moves.cluster_id
                    and (placed.old_l = moves.customer_id) is distinct from (placed.old_r = moves.customer_id)
                    and coalesce(placed.pushes, 'together') = 'together'
            union all
            select
                moves.customer_id, moves.cluster_id, placed.record_id_l, placed.record_id_r, placed.weight,
                placed.model_version, placed.judgement_id, placed.verdict
            from kindred_moves as moves
            inner join placed
                on
                    moves.kind = 'split' and placed.old_l = moves.customer_id and placed.old_r = moves.customer_id
                    and (placed.new_l = moves.cluster_id) <> (placed.new_r = moves.cluster_id)
                    and coalesce(placed.pushes, 'apart') = 'apart'
        )
        select * from speaking
        qualify row_number() over (
            partition by customer_id, cluster_id
            order by judgement_id desc nulls last, weight desc, record_id_l, record_id_r
        ) = 1
        """
    )


def find_changed_judgements(con: "duckdb.DuckDBPyConnection", before: str, now: str) -> None:
    """Make `kindred_changed_judgements`: pairs judged otherwise than at the last accepted run, and where that pushes."""
    con.execute(
        f"""
        create or replace temp table kindred_changed_judgements as
        with compared as (
            select
                coalesce(now.record_id_l, before.record_id_l) as record_id_l,
                coalesce(now.record_id_r, before.record_id_r) as record_id_r,
                coalesce(now.judgement_id, before.judgement_id) as judgement_id,
                coalesce(now.verdict, 'undone ' || before.verdict) as verdict,
                before.verdict as verdict_before, now.verdict as verdict_now
            from {now} as now
            full outer join {before} as before
                on now.record_id_l = before.record_id_l and now.record_id_r = before.record_id_r
            where now.verdict is distinct from before.verdict
        )
        select
            record_id_l, record_id_r, judgement_id, verdict,
            case
                when verdict_now = 'must_link' then 'together'
                when verdict_now = 'cannot_link' then 'apart'
                when verdict_before = 'must_link' then 'apart'
                when verdict_before = 'cannot_link' then 'together'
            end as pushes
        from compared
        where 'must_link' in (verdict_now, verdict_before) or 'cannot_link' in (verdict_now, verdict_before)
        """
    )


def find_model_moves(con: "duckdb.DuckDBPyConnection", regrouped: str | None, *, model_changed: bool) -> None:
    """Make `kindred_model_moves` (customer_id, cluster_id): the moves that the new model made, by itself.

    `regrouped` (record_id, cluster_id) is how the new model groups the records that the last accepted run saw and that
    still say the same, without all others. A merge is the model's when it puts a record of the merged customer together
    with one that belonged to somebody else; a split when it puts a record that left apart from one that did not. Where
    nobody tells (None), every move is the model's.
    """
    told = "select customer_id, cluster_id from kindred_moves"
    if not model_changed:
        told += " limit 0"
    elif regrouped is not None:
        told = f"""
            with
                placed as (
                    select touched.record_id, touched.customer_id, touched.cluster_id, regrouped.cluster_id as alone
                    from kindred_touched as touched inner join {regrouped} as regrouped using (record_id)
                    where touched.customer_id is not null
                ),
                joined as (
                    select distinct moves.customer_id, moves.cluster_id
                    from kindred_moves as moves
                    inner join placed as ours
                        on moves.customer_id = ours.customer_id and moves.cluster_id = ours.cluster_id
                    inner join placed as theirs on ours.alone = theirs.alone and ours.cluster_id = theirs.cluster_id
                    where moves.kind = 'merged' and theirs.customer_id <> moves.customer_id
                ),
                parted as (
                    select moves.customer_id, moves.cluster_id
                    from kindred_moves as moves
                    inner join placed using (customer_id)
                    where moves.kind = 'split'
                    group by moves.customer_id, moves.cluster_id
                    having
                        count(distinct placed.alone) > 1
                        and bool_or(placed.cluster_id = moves.cluster_id)
                        and bool_or(placed.cluster_id <> moves.cluster_id)
                )
            select * from joined union all select * from parted
            """
    con.execute(f"create or replace temp table kindred_model_moves as {told}")


def append_events(con: "duckdb.DuckDBPyConnection", events: str, run_date: str) -> None:
    """Append the run's events, in an order that depends on what happened only.

    Reads `kindred_moves`, `kindred_minted` (cluster_id, customer_id, record_id, generation, records), `kindred_retired`
    (customer_id, records), `kindred_evidence` and `kindred_model_moves`.

    Args:
        run_date: an SQL literal of the day.
    """
    con.execute(
        f"""
        insert into {events}
        with moved as (
            select
                moves.kind, moves.customer_id, moves.target as other_customer_id, moves.cluster_id,
                case
                    when evidence.judgement_id is not null then 'judgement'
                    when model_moves.customer_id is not null then 'model'
                    else 'record'
                end as cause,
                json_object(
                    'what', moves.records || case moves.kind when 'merged' then ' record(s) joined' else ' record(s) left for' end
                        || ' the other customer',
                    'because', case
                        when evidence.judgement_id is not null then 'judgement ' || evidence.judgement_id || ' (' || evidence.verdict || ')'
                        when evidence.weight is null then 'no scored pair stands between them'
                        when moves.kind = 'merged' then 'the strongest pair between them'
                        else 'the strongest pair that is left between them, which no longer holds them together'
                    end,
                    'records', case when evidence.record_id_l is not null then [evidence.record_id_l, evidence.record_id_r] end,
                    'match_weight', round(evidence.weight, 3),
                    'model_version', evidence.model_version,
                    'judgement_id', evidence.judgement_id
                ) as evidence,
                evidence.record_id_l, evidence.record_id_r
            from kindred_moves as moves
            left join kindred_evidence as evidence
                on moves.customer_id = evidence.customer_id and moves.cluster_id = evidence.cluster_id
            left join kindred_model_moves as model_moves
                on moves.customer_id = model_moves.customer_id and moves.cluster_id = model_moves.cluster_id
        ),
        causes_of_parts as (
            select
                cluster_id,
                case
                    when bool_or(cause = 'judgement') then 'judgement' when bool_or(cause = 'model') then 'model'
                    else 'record'
                end as cause
            from moved where kind = 'split' group by cluster_id
        ),
        happened as (
            select
                1 as place, 'minted' as kind, minted.customer_id, null::varchar as other_customer_id,
                coalesce(parts.cause, 'record') as cause,
                json_object(
                    'what', 'a customer of ' || minted.records || ' record(s)', 'founding_record', minted.record_id,
                    'generation', minted.generation
                ) as evidence,
                minted.record_id as record_id_l, null::varchar as record_id_r
            from kindred_minted as minted
            left join causes_of_parts as parts using (cluster_id)
            union all
            select
                case kind when 'split' then 2 else 3 end, kind, customer_id, other_customer_id, cause, evidence,
                record_id_l, record_id_r
            from moved
            union all
            select
                4, 'retired', customer_id, null, 'record',
                json_object('what', 'all ' || records || ' record(s) are gone'), null, null
            from kindred_retired
        ),
        told_before as (
            select customer_id, other_customer_id, count(*) as times
            from {events} where kind = 'split' and run_date = {run_date}
            group by customer_id, other_customer_id
        ),
        counted as (
            select happened.*, case when happened.kind = 'split' then coalesce(told_before.times, 0) else 0 end as earlier
            from happened
            left join told_before
                on
                    happened.customer_id = told_before.customer_id
                    and happened.other_customer_id = told_before.other_customer_id
        )
        select
            {event_id_sql(run_date, "kind", "customer_id", "other_customer_id", "earlier")}, {run_date}, kind, customer_id,
            other_customer_id, cause, evidence, record_id_l, record_id_r,
            (select coalesce(max(position), 0) from {events})
            + row_number() over (order by place, customer_id, other_customer_id)
        from counted
        order by place, customer_id, other_customer_id
        """
    )
