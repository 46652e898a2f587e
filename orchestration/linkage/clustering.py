"""Clustering: from edges to people.

What belongs here: which records end up together, with the guards against chains. What does not:
stable customer ids (orchestration.identity), scoring.

Records that edges above the threshold connect form a component. A component is taken apart
wherever the edges between two of its parts, the doubtful and the contrary ones included, do not
agree on average (agglomerative clustering with average linkage): a single bridge between two
dense groups does not make them one person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.components import bottlenecks, connected_components
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.sql import columns_of, quoted

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

# One overwhelming agreement (a shared parcel address) must not outvote many disagreements, nor
# the reverse: weights beyond this are all "certain".
CERTAIN = 12.0
# A pair without an edge was not worth comparing or scored below the floor of edges.
UNKNOWN = -6.0
# Judgements of people weigh this much, for or against.
JUDGED = 1e3
# Larger components are first cut at stronger edges: no person has this many records.
LARGEST_COMPONENT = 1_000


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

    `judgements`, when given, is a table (`record_id_l`, `record_id_r`, `verdict`): `must_link`
    pairs count as certain matches and `cannot_link` pairs as certain non-matches; other verdicts
    say nothing.
    """
    import pyarrow as pa

    ids = (
        con.execute(f"select cast(record_id as varchar) as record_id from {records} order by 1")
        .to_arrow_table()["record_id"]
        .combine_chunks()
    )
    graph, identical = _edges(con, ids, edges, judgements)
    labels = _partition_folded(len(ids), graph, identical, model.threshold_weight)
    probability = _holding_probability(labels, *graph)
    members = pa.table(
        {
            "record_id": ids,
            "cluster_id": ids.take(pa.array(labels)),
            "match_probability": probability,
        }
    )
    con.register("kindred_members_arrow", members)
    try:
        con.execute(f"create or replace table {target} as select * from kindred_members_arrow")
    finally:
        con.unregister("kindred_members_arrow")


Graph = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.float64]"]


def _edges(
    con: duckdb.DuckDBPyConnection, ids: pa.Array, edges: str, judgements: str | None
) -> tuple[Graph, NDArray[np.bool_]]:
    """Edges between numbered records, judged and contradictory ones with certain weights.

    The second array marks the edges of records that say exactly the same.
    """
    import pyarrow as pa

    columns = set(columns_of(con, edges))
    weight = _weight_sql(columns)
    identical = "identical" if "identical" in columns else "false"
    judged = ""
    if judgements is not None:
        judged = f"""
        union all
        select
            record_id_l, record_id_r,
            case verdict when 'must_link' then {JUDGED} else {-JUDGED} end as weight, false as identical, 1 as judged
        from {judgements} where verdict in ('must_link', 'cannot_link')
        """
    con.register("kindred_ids_arrow", pa.table({"record_id": ids, "rid": np.arange(len(ids))}))
    try:
        table = con.execute(
            f"""
            with said as (
                select record_id_l, record_id_r, {weight} as weight, {identical} as identical, 0 as judged from {edges}
                {judged}
            ),
            numbered as (
                select
                    least(l.rid, r.rid) as l, greatest(l.rid, r.rid) as r,
                    said.weight, said.identical, said.judged
                from said
                inner join kindred_ids_arrow as l on said.record_id_l = l.record_id
                inner join kindred_ids_arrow as r on said.record_id_r = r.record_id
            )
            select l, r, arg_max(weight, (judged, weight)) as weight, bool_or(identical) as identical
            from numbered where l < r group by l, r order by l, r
            """
        ).to_arrow_table()
    finally:
        con.unregister("kindred_ids_arrow")
    graph = (
        table["l"].to_numpy().astype(np.int64),
        table["r"].to_numpy().astype(np.int64),
        table["weight"].to_numpy().astype(float),
    )
    return graph, table["identical"].to_numpy(zero_copy_only=False).astype(bool)


def _partition_folded(records: int, graph: Graph, identical: NDArray[np.bool_], threshold: float) -> NDArray[np.int64]:
    """Partition with records that say exactly the same standing as one.

    Only one of them has edges to others: what holds for it holds for all.
    """
    left, right, weight = graph
    same = identical & (weight >= threshold)
    stands_for = connected_components(records, left[same], right[same])
    left, right = stands_for[left], stands_for[right]
    left, right = np.minimum(left, right), np.maximum(left, right)
    # Of several edges between the same two, a judged one counts, or else the strongest.
    certainty = np.where(np.abs(weight) >= JUDGED, 1, 0)
    order = np.lexsort((-weight, -certainty, right, left))
    order = order[left[order] != right[order]]
    left, right, weight = left[order], right[order], weight[order]
    first = np.ones(len(left), dtype=bool)
    first[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return partition(records, left[first], right[first], weight[first], threshold)[stands_for]


def _weight_sql(columns: set[str]) -> str:
    """SQL: the weight of an edge; hard contradictions count as certain non-matches.

    Two birth dates with two first names and no identifier in common are two people, whatever
    else agrees. Fewer contradictions are left to their weights: typing errors make them, too.
    """
    differs = {
        name: f"{quoted('gamma_' + name)} = 0" for name in ("given_name", "birth_date") if f"gamma_{name}" in columns
    }
    shared = [
        f"{quoted('gamma_' + name)} > 0" for name in ("national_id", "email", "phone") if f"gamma_{name}" in columns
    ]
    tests = []
    if "birth_date" in differs and "given_name" in differs:
        unless = f" and not ({' or '.join(shared)})" if shared else ""
        tests.append(f"({differs['birth_date']} and {differs['given_name']}{unless})")
    if not tests:
        return "match_weight"
    return f"case when {' or '.join(tests)} then least(match_weight, {-CERTAIN}) else match_weight end"


def partition(
    records: int,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    weight: NDArray[np.float64],
    threshold: float,
) -> NDArray[np.int64]:
    """The smallest record number of each record's cluster.

    The answer depends on the edges only, not on their order: ties go to smaller numbers.
    """
    strong = weight >= threshold
    labels = connected_components(records, left[strong], right[strong])
    labels = _cut_giants(labels, left, right, weight, threshold)
    inside = labels[left] == labels[right]
    left, right, weight = left[inside], right[inside], weight[inside]
    component = labels[left]
    sizes = np.bincount(labels, minlength=records)
    strong_edges = np.bincount(component[weight >= threshold], minlength=records)
    doubtful = strong_edges < sizes * (sizes - 1) // 2
    chosen = doubtful[component]
    order = np.argsort(component[chosen], kind="stable")
    left, right, weight = left[chosen][order], right[chosen][order], weight[chosen][order]
    component = component[chosen][order]
    if not len(component):
        return labels
    starts = np.flatnonzero(np.r_[True, component[1:] != component[:-1]])
    for start, end in zip(starts, np.r_[starts[1:], len(component)], strict=True):
        _split(labels, left[start:end], right[start:end], weight[start:end], threshold)
    return labels


def _cut_giants(
    labels: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    weight: NDArray[np.float64],
    threshold: float,
) -> NDArray[np.int64]:
    level = threshold
    while True:
        sizes = np.bincount(labels, minlength=len(labels))
        giant = sizes[labels] > LARGEST_COMPONENT
        if not giant.any() or level > 200:
            return labels
        level += 2.0
        kept = (weight >= level) & giant[left] & giant[right]
        smaller = connected_components(len(labels), left[kept], right[kept])
        labels = np.where(giant, smaller, labels)


def _split(
    labels: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    weight: NDArray[np.float64],
    threshold: float,
) -> None:
    """Average linkage inside one component; writes the parts into `labels`."""
    members = np.unique(np.concatenate([left, right]))
    count = len(members)
    rows, columns = np.searchsorted(members, left), np.searchsorted(members, right)
    clipped = np.where(np.abs(weight) >= JUDGED, weight, np.clip(weight, -CERTAIN, CERTAIN))
    total = np.full((count, count), UNKNOWN)
    total[rows, columns] = total[columns, rows] = clipped
    np.fill_diagonal(total, 0.0)
    size = np.ones(count)
    average = total.copy()
    np.fill_diagonal(average, -np.inf)
    parent = np.arange(count)
    while True:
        best = int(np.argmax(average))
        one, other = divmod(best, count)
        if average[one, other] < threshold:
            break
        one, other = min(one, other), max(one, other)
        parent[parent == other] = one
        total[one] += total[other]
        total[:, one] = total[one]
        size[one] += size[other]
        with np.errstate(invalid="ignore"):
            row = np.round(total[one] / (size[one] * size), 9)
        row[one] = -np.inf
        row[average[one] == -np.inf] = -np.inf
        average[one], average[:, one] = row, row
        average[other], average[:, other] = -np.inf, -np.inf
    labels[members] = members[parent]


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
