"""Clusters from day to day: only components that changed are clustered anew.

What belongs here: finding the records whose component edges or judgements touched, and putting
their clusters in place of the old ones. What does not: clustering itself (clustering.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.linkage.clustering import MEMBERS_QUERY, Clustered, cluster_records, members_table
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.sql import literal, scalar_int
from orchestration.linkage.state import StateTables, exists, read_state

if TYPE_CHECKING:
    import duckdb

_TOUCHED = "kindred_touched_records"
_EDGES = "kindred_touched_edges"


@dataclass(frozen=True)
class ClusterUpdate:
    """What an update of the clusters did: of `records`, `clustered` were clustered anew."""

    full: bool
    records: int
    clustered: int


def update_clusters(
    con: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    records: str,
    edges: str,
    clusters: str,
    *,
    judgements: str | None = None,
) -> ClusterUpdate:
    """Bring the table `clusters` up to date: what `cluster` would make, row for row.

    Clusters anew the components that `update_edges` touched since the clusters were made, and
    those of records whose judgements changed; the rest stays. Everything is clustered anew when
    the edges were made whole, or the clusters are not what the last run left.
    """
    tables = StateTables.beside(edges)
    total = scalar_int(con, f"select count(*) from {records}")
    state, _ = read_state(con, tables)
    generation = _clusters_fit(con, tables, clusters)
    if state is None or generation is None or state.records != total:
        return _rebuild(con, model, records, edges, clusters, judgements, tables, state.generation if state else None)
    _find_touched(con, tables, judgements, generation)
    try:
        con.execute(
            f"""
            create or replace temp table {_EDGES} as
            select edges.* from {edges} as edges
            semi join {_TOUCHED} as l on edges.record_id_l = l.record_id
            semi join {_TOUCHED} as r on edges.record_id_r = r.record_id
            """
        )
        touched = (
            f"(select record_id from {records} where cast(record_id as varchar) in (select record_id from {_TOUCHED}))"
        )
        found = cluster_records(con, model, touched, _EDGES, judgements)
        _replace(con, found, clusters, judgements, tables, state.generation)
    finally:
        for table in (_EDGES, _TOUCHED):
            con.execute(f"drop table if exists {table}")
    if scalar_int(con, f"select count(*) from {clusters}") != total:
        return _rebuild(con, model, records, edges, clusters, judgements, tables, state.generation)
    return ClusterUpdate(False, total, len(found.ids))


def _clusters_fit(con: duckdb.DuckDBPyConnection, tables: StateTables, clusters: str) -> int | None:
    """The generation of the edges that the clusters follow, or None when there is nothing to build on."""
    if not exists(con, tables.cluster_state) or not exists(con, clusters):
        return None
    rows = con.execute(f"select generation, clusters, records from {tables.cluster_state}").fetchall()
    if not rows:
        return None
    generation, name, expected = rows[0]
    counted = {scalar_int(con, f"select count(*) from {table}") for table in (clusters, tables.clustered)}
    return int(generation) if name == clusters and counted == {int(expected)} else None


def _said(judgements: str | None) -> str:
    if judgements is None:
        return "select null::varchar as record_id_l, null::varchar as record_id_r, null::varchar as verdict limit 0"
    return (
        "select distinct record_id_l::varchar as record_id_l, record_id_r::varchar as record_id_r, "
        f"verdict::varchar as verdict from {judgements} where verdict in ('must_link', 'cannot_link')"
    )


def _find_touched(con: duckdb.DuckDBPyConnection, tables: StateTables, judgements: str | None, generation: int) -> None:
    con.execute(
        f"""
        create or replace temp table {_TOUCHED} as
        with
            said as ({_said(judgements)}),
            said_before as (select record_id_l, record_id_r, verdict from {tables.judged}),
            changed as ((from said except from said_before) union all (from said_before except from said)),
            ends as (
                select record_id from {tables.affected} where generation > {generation}
                union
                select record_id_l from changed
                union
                select record_id_r from changed
            ),
            components as (select component from {tables.clustered} semi join ends using (record_id))
        select record_id from {tables.clustered} semi join components using (component)
        union
        select record_id from ends
        """
    )


def _replace(
    con: duckdb.DuckDBPyConnection,
    found: Clustered,
    clusters: str,
    judgements: str | None,
    tables: StateTables,
    generation: int,
) -> None:
    con.register("kindred_members_arrow", members_table(found))
    con.execute("begin")
    try:
        for table, rows in ((clusters, MEMBERS_QUERY), (tables.clustered, _COMPONENTS_QUERY)):
            con.execute(f"delete from {table} where record_id in (select record_id from {_TOUCHED})")
            con.execute(f"insert into {table} by name {rows}")
        _write_state(con, clusters, judgements, tables, generation)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    finally:
        con.unregister("kindred_members_arrow")


_COMPONENTS_QUERY = "select record_id, component from kindred_members_arrow"


def _rebuild(
    con: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    records: str,
    edges: str,
    clusters: str,
    judgements: str | None,
    tables: StateTables,
    generation: int | None,
) -> ClusterUpdate:
    """Cluster everything; without a state of the edges (`generation` None), leave none of the clusters."""
    found = cluster_records(con, model, records, edges, judgements)
    con.register("kindred_members_arrow", members_table(found))
    con.execute("begin")
    try:
        con.execute(f"create or replace table {clusters} as {MEMBERS_QUERY}")
        con.execute(f"create or replace table {tables.clustered} as {_COMPONENTS_QUERY}")
        if generation is None:
            con.execute(f"drop table if exists {tables.cluster_state}")
        else:
            _write_state(con, clusters, judgements, tables, generation)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    finally:
        con.unregister("kindred_members_arrow")
    return ClusterUpdate(True, len(found.ids), len(found.ids))


def _write_state(
    con: duckdb.DuckDBPyConnection, clusters: str, judgements: str | None, tables: StateTables, generation: int
) -> None:
    con.execute(f"create or replace table {tables.judged} as {_said(judgements)}")
    con.execute(
        f"""
        create or replace table {tables.cluster_state} as
        select
            {generation}::bigint as generation, {literal(clusters)} as clusters,
            (select count(*) from {clusters}) as records
        """
    )
