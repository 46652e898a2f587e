"""Clustering: from edges to people.

What belongs here: which records end up together, guards against chains included. What does
not: stable customer ids (orchestration.identity), scoring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.model import LinkageModel

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray


def cluster(
    con: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    records: str,
    edges: str,
    target: str,
) -> None:
    """Create `target`: `record_id`, `cluster_id` (its smallest record id), `match_probability`.

    One row per record, nobody left out. `match_probability` is that of the weakest link that
    holds the record in its cluster; 1 for a record alone, about which nothing is doubtful.
    """
    import pyarrow as pa

    ids = (
        con.execute(f"select cast(record_id as varchar) as record_id from {records} order by 1")
        .to_arrow_table()["record_id"]
        .combine_chunks()
    )
    con.register("kindred_ids_arrow", pa.table({"record_id": ids, "rid": np.arange(len(ids))}))
    rows = con.execute(
        f"""
        select l.rid as l, r.rid as r, edges.match_weight as weight
        from {edges} as edges
        inner join kindred_ids_arrow as l on edges.record_id_l = l.record_id
        inner join kindred_ids_arrow as r on edges.record_id_r = r.record_id
        where edges.match_weight >= {model.threshold_weight}
        order by 1, 2
        """
    ).to_arrow_table()
    con.unregister("kindred_ids_arrow")
    left, right = rows["l"].to_numpy(), rows["r"].to_numpy()
    weight = rows["weight"].to_numpy()
    labels = connected_components(len(ids), left, right)
    strongest = np.full(len(ids), -np.inf)
    np.maximum.at(strongest, left, weight)
    np.maximum.at(strongest, right, weight)
    probability = np.where(np.isinf(strongest), 1.0, 1 / (1 + np.exp2(-strongest)))
    con.register(
        "kindred_members_arrow",
        pa.table(
            {
                "record_id": ids,
                "cluster_id": ids.take(pa.array(labels)),
                "match_probability": probability,
            }
        ),
    )
    try:
        con.execute(f"create or replace table {target} as select * from kindred_members_arrow")
    finally:
        con.unregister("kindred_members_arrow")


def connected_components(records: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest record number of each record's component, by label propagation."""
    labels = np.arange(records)
    while True:
        before = labels.copy()
        lowest = np.minimum(labels[left], labels[right])
        np.minimum.at(labels, left, lowest)
        np.minimum.at(labels, right, lowest)
        labels = labels[labels]
        if np.array_equal(before, labels):
            return labels
