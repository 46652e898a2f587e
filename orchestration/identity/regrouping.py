"""What a new model does to customers by itself: the records that both models saw, grouped by the new one alone.

Belongs here: finding those records and grouping them, so that an event can say whether the model or a record made it.
Does not belong here: which event that is (see `events`), clustering itself (orchestration.linkage).

On the day on which a model is taken into use, records come and change too. Whether the model made two customers one is
a question of what it would have done without them: the records of the last accepted run that still say the same are
grouped by the edges of today between them, with the judgements of today. That is exact for these records, needs no
second scoring, and is done on days of a new model only.
"""

from typing import TYPE_CHECKING

from orchestration.identity.state import ACCEPTED_MEMBERSHIPS, ACCEPTED_RUN, ensure_tables

if TYPE_CHECKING:
    import duckdb

    from orchestration.linkage import LinkageModel

REGROUPED = "kindred_regrouped"
_KNOWN = "kindred_known_records"
_EDGES = "kindred_known_edges"


def regroup_known(
    con: "duckdb.DuckDBPyConnection", model: "LinkageModel", edges: str, said: str, judgements: str | None = None
) -> str | None:
    """Make the temporary table of `assign_ids`'s argument `regrouped`; None when the model is the accepted run's.

    Args:
        edges: the edges of all records of today by the model.
        said: record_id and row_hash of today, as `accept_ids` was given them on its day.
        judgements: those that are applied to the clusters of today.
    """
    from orchestration.linkage.clustering import MEMBERS_QUERY, cluster_records, members_table

    ensure_tables(con)
    accepted = con.execute(f"select model_version from {ACCEPTED_RUN}").fetchall()
    if not accepted or accepted[0][0] == model.version:
        return None
    con.execute(
        f"""
        create or replace temp table {_KNOWN} as
        select record_id from {ACCEPTED_MEMBERSHIPS} as accepted inner join {said} as today using (record_id)
        where accepted.said = today.row_hash
        """
    )
    _between_known(con, edges)
    try:
        con.register("kindred_members_arrow", members_table(cluster_records(con, model, _KNOWN, _EDGES, judgements)))
        con.execute(f"create or replace temp table {REGROUPED} as {MEMBERS_QUERY}")
        con.unregister("kindred_members_arrow")
    finally:
        for table in (_KNOWN, _EDGES):
            con.execute(f"drop table if exists {table}")
    return REGROUPED


def _between_known(con: "duckdb.DuckDBPyConnection", edges: str) -> None:
    """The edges between known records, the first known one of identical records standing for an unknown one."""
    con.execute(
        f"""
        create or replace temp table {_EDGES} as
        with
            stand_ins as (
                select record_id_l as record_id, min(record_id_r) as known_id from {edges}
                where
                    identical
                    and record_id_l not in (select record_id from {_KNOWN})
                    and record_id_r in (select record_id from {_KNOWN})
                group by record_id_l
            ),
            between as (
                select
                    edges.* exclude (record_id_l, record_id_r),
                    coalesce(l.known_id, edges.record_id_l) as record_id_l,
                    coalesce(r.known_id, edges.record_id_r) as record_id_r
                from {edges} as edges
                left join stand_ins as l on edges.record_id_l = l.record_id
                left join stand_ins as r on edges.record_id_r = r.record_id
            )
        select * from between
        where
            record_id_l <> record_id_r
            and record_id_l in (select record_id from {_KNOWN}) and record_id_r in (select record_id from {_KNOWN})
        """
    )
