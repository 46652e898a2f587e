"""Clustering: from edges to people.

What belongs here: which records end up together, by edges and judgements, and how firmly. What
does not: stable customer ids (orchestration.identity), scoring, the algorithm (partition.py).

Records that edges above the threshold connect form a component. A component is taken apart
wherever the edges between two of its parts, the doubtful and the contrary ones included, do not
agree on average (agglomerative clustering with average linkage): a single bridge between two
dense groups does not make them one person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.components import bottlenecks, connected_components
from orchestration.linkage.features import IDENTIFIER_PREFIX
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.partition import CERTAIN, partition
from orchestration.linkage.sql import columns_of, quoted
from orchestration.linkage.verdicts import Graph, Judged, strongest, unfolded, united

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Clustered:
    """Records in order of their ids, each with its cluster, what holds it there, and its component.

    `labels` and `components` are positions of records; a component is what edges above the
    threshold and must-link judgements connect: nothing outside of it bears on its clusters.
    """

    ids: pa.Array
    labels: NDArray[np.int64]
    probability: NDArray[np.float64]
    components: NDArray[np.int64]


def cluster(
    con: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    records: str,
    edges: str,
    target: str,
    *,
    judgements: str | None = None,
) -> None:
    """Create `target`: `record_id`, `cluster_id`, `match_probability`.

    One row per record, nobody left out; `cluster_id` is the smallest record id of the cluster.
    `match_probability` is that of the weakest link that holds the record in its cluster: on the
    best path of edges to the cluster's most connected record. It is 1 for a record alone, about
    which nothing is doubtful.

    `judgements`, when given, is a table (`record_id_l`, `record_id_r`, `verdict`). Records of a
    `cannot_link` pair never share a cluster. A `must_link` pair unites the clusters of its
    records, whatever the evidence, unless that would break a `cannot_link`: then the records of
    the pair stand as one, and the evidence decides who goes with them; judgements that contradict
    each other outright leave the records apart. Other verdicts say nothing.
    """
    found = cluster_records(con, model, records, edges, judgements)
    con.register("kindred_members_arrow", members_table(found))
    try:
        con.execute(f"create or replace table {target} as {MEMBERS_QUERY}")
    finally:
        con.unregister("kindred_members_arrow")


MEMBERS_QUERY = "select record_id, cluster_id, match_probability from kindred_members_arrow"


def members_table(found: Clustered) -> pa.Table:
    """What was found, as columns `record_id`, `cluster_id`, `match_probability`, `component`."""
    import pyarrow as pa

    return pa.table(
        {
            "record_id": found.ids,
            "cluster_id": found.ids.take(pa.array(found.labels)),
            "match_probability": found.probability,
            "component": found.ids.take(pa.array(found.components)),
        }
    )


def cluster_records(
    con: duckdb.DuckDBPyConnection, model: LinkageModel, records: str, edges: str, judgements: str | None
) -> Clustered:
    """The clusters of records by edges and judgements; both may name records that are not there."""
    ids = (
        con.execute(f"select cast(record_id as varchar) as record_id from {records} order by 1")
        .to_arrow_table()["record_id"]
        .combine_chunks()
    )
    count = len(ids)
    graph, identical, judged = _numbered(con, ids, edges, judgements)
    threshold = model.threshold_weight
    strong = graph.weight >= threshold
    components = connected_components(
        count,
        np.concatenate([graph.left[strong], judged.must[:, 0]]),
        np.concatenate([graph.right[strong], judged.must[:, 1]]),
    )
    same = identical & strong
    folds = connected_components(count, graph.left[same], graph.right[same])
    stands_for, graph = unfolded(folds, graph, identical, judged)
    folded = strongest(graph, judged.forbidding(stands_for), stands_for)
    labels = partition(count, *folded.arrays(), threshold)
    labels = united(labels, folded, judged.renumbered(stands_for), threshold)[stands_for]
    smallest = np.full(count, count)
    np.minimum.at(smallest, labels, np.arange(count))
    labels = smallest[labels]
    probability = _holding_probability(labels, *strongest(graph, judged.weighing(), np.arange(count)).arrays())
    return Clustered(ids, labels, probability, components)


def _numbered(
    con: duckdb.DuckDBPyConnection, ids: pa.Array, edges: str, judgements: str | None
) -> tuple[Graph, NDArray[np.bool_], Judged]:
    """Edges and judgements between numbered records; contradictory edges as certain non-matches.

    The array marks the edges of records that say exactly the same.
    """
    import pyarrow as pa

    columns = set(columns_of(con, edges))
    identical = "identical" if "identical" in columns else "false"
    numbered = """
        select least(l.rid, r.rid) as l, greatest(l.rid, r.rid) as r, said.* exclude (record_id_l, record_id_r)
        from said
        inner join kindred_ids_arrow as l on said.record_id_l = l.record_id
        inner join kindred_ids_arrow as r on said.record_id_r = r.record_id
        """
    con.register("kindred_ids_arrow", pa.table({"record_id": ids, "rid": np.arange(len(ids))}))
    try:
        table = con.execute(
            f"""
            with said as (
                select record_id_l, record_id_r, {_weight_sql(columns)} as weight, {identical} as identical from {edges}
            ),
            numbered as ({numbered})
            select l, r, weight::double as weight, identical from numbered where l < r order by l, r
            """
        ).to_arrow_table()
        verdicts = []
        if judgements is not None:
            verdicts = con.execute(
                f"""
                with said as (
                    select record_id_l, record_id_r, verdict from {judgements}
                    where verdict in ('must_link', 'cannot_link')
                ),
                numbered as ({numbered})
                select l, r, min(verdict) as verdict from numbered where l < r group by l, r order by l, r
                """
            ).fetchall()
    finally:
        con.unregister("kindred_ids_arrow")
    graph = Graph(
        table["l"].to_numpy().astype(np.int64),
        table["r"].to_numpy().astype(np.int64),
        table["weight"].to_numpy().astype(float),
    )
    same = table["identical"].to_numpy(zero_copy_only=False).astype(bool)
    return graph, same, Judged.of([(int(left), int(right), str(verdict)) for left, right, verdict in verdicts])


def _weight_sql(columns: set[str]) -> str:
    """SQL: the weight of an edge; hard contradictions count as certain non-matches.

    Birth dates that have nothing in common, without an identifier in common, are two people, whatever
    else agrees (namesakes in one home are father and son), and so are a senior and a junior. Fewer
    contradictions are left to their weights: typing errors make them, too. Two national ids that are not near each other were
    tried as one on records whose ids are replaced as well as mistyped: F1 of febrl3 fell from 0.999 to 0.967, and to 0.996
    where another first name or birth date had to confirm it, for a gain of 0.0001 elsewhere (2026-11-22).
    """
    differs = {
        name: f"{quoted('gamma_' + name)} = 0" for name in ("birth_date", "generation") if f"gamma_{name}" in columns
    }
    identifiers = ["gamma_national_id", "gamma_email", "gamma_phone"]
    identifiers += sorted(name for name in columns if name.startswith(f"gamma_{IDENTIFIER_PREFIX}"))
    shared = [f"{quoted(name)} > 0" for name in identifiers if name in columns]
    tests = []
    if "birth_date" in differs:
        unless = f" and not ({' or '.join(shared)})" if shared else ""
        tests.append(f"({differs['birth_date']}{unless})")
    if "generation" in differs:
        tests.append(differs["generation"])
    if not tests:
        return "match_weight"
    return f"case when {' or '.join(tests)} then least(match_weight, {-CERTAIN}) else match_weight end"


def _holding_probability(
    labels: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    inside = labels[left] == labels[right]
    left, right, weight = left[inside], right[inside], weight[inside]
    count = len(labels)
    held = np.zeros(count)
    np.add.at(held, left, np.clip(weight, 0, CERTAIN))
    np.add.at(held, right, np.clip(weight, 0, CERTAIN))
    # The most connected record of each cluster, the smallest number first among equals.
    order = np.lexsort((np.arange(count), -np.round(held, 6), labels))
    first = np.r_[True, labels[order][1:] != labels[order][:-1]] if count else np.array([], bool)
    roots = np.zeros(count, dtype=bool)
    roots[order[first]] = True
    strength = bottlenecks(count, left, right, weight, roots)
    strongest = np.full(count, -np.inf)
    np.maximum.at(strongest, left, weight)
    np.maximum.at(strongest, right, weight)
    strength = np.where(roots, np.where(np.isinf(strongest), np.inf, strongest), strength)
    bounded = np.clip(strength, -60.0, 60.0)
    alone = np.bincount(labels, minlength=count)[labels] == 1 if count else np.array([], bool)
    return np.asarray(np.where(alone, 1.0, np.round(1 / (1 + np.exp2(-bounded)), 9)))
