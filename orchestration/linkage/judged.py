"""The match weights of pairs that people judged.

Belongs here: weighing given pairs with a model, whether blocking proposes them or not. Does not belong here: what the
weights are used for (see `calibration`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.blocking import PAIRS
from orchestration.linkage.model import LinkageModel

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray


@dataclass(frozen=True)
class JudgedPairs:
    """Judged pairs with their weights, in order of their record ids."""

    left: tuple[str, ...]
    right: tuple[str, ...]
    same: NDArray[np.bool_]
    weights: NDArray[np.float64]
    """log2 of the odds by the model, without the judgement."""


def judged_weights(con: duckdb.DuckDBPyConnection, model: LinkageModel, records: str, judgements: str) -> JudgedPairs:
    """Weigh the pairs of a table of judgements (`record_id_l`, `record_id_r`, `verdict`) whose records are there.

    Verdicts other than `must_link` and `cannot_link` are left out. A pair judged both ways is left out too: that is for
    people to settle.
    """
    from orchestration.linkage.scoring import prepared, weigh_pairs

    arrow = con.execute(
        f"""
        select
            least(record_id_l, record_id_r) as record_id_l,
            greatest(record_id_l, record_id_r) as record_id_r,
            min(verdict) = 'must_link' as same
        from {judgements}
        where verdict in ('must_link', 'cannot_link') and record_id_l <> record_id_r
        group by 1, 2
        having count(distinct verdict) = 1
        """
    ).to_arrow_table()
    if not arrow.num_rows or not model.comparisons:
        return JudgedPairs((), (), np.zeros(0, bool), np.zeros(0))
    with prepared(con, model, records) as features:
        work = features.con
        work.register("judged_arrow", arrow)
        work.execute(
            """
            create or replace table judged as
            select
                least(one.rid, other.rid) as l, greatest(one.rid, other.rid) as r,
                judged_arrow.record_id_l, judged_arrow.record_id_r, judged_arrow.same
            from judged_arrow
            inner join record_ids as one on judged_arrow.record_id_l = one.record_id
            inner join record_ids as other on judged_arrow.record_id_r = other.record_id
            """
        )
        work.unregister("judged_arrow")
        work.execute(f"create or replace table {PAIRS} as select l, r from judged")
        weigh_pairs(work, model, probability_floor=None)
        found = work.execute(
            """
            select judged.record_id_l, judged.record_id_r, judged.same, weighed.match_weight
            from judged inner join weighed_pairs as weighed on judged.l = weighed.l and judged.r = weighed.r
            order by 1, 2
            """
        ).to_arrow_table()
    return JudgedPairs(
        tuple(found["record_id_l"].to_pylist()),
        tuple(found["record_id_r"].to_pylist()),
        np.array(found["same"].to_pylist(), dtype=bool),
        found["match_weight"].to_numpy().astype(float),
    )
