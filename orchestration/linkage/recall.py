"""Blocking recall: the share of true pairs that were candidates.

What belongs here: proposing the pairs of a model once more and looking the true ones up. What
does not: scores of clusters (evaluation.py), and anything that feeds the truth to the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.linkage.blocking import PAIRS, Budget, make_pairs
from orchestration.linkage.hot import IDENTICAL
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.scoring import prepared

if TYPE_CHECKING:
    import duckdb


def blocking_recall(
    con: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    records: str,
    truth: str,
    *,
    truth_col: str = "person_id",
    budget: Budget | None = None,
) -> float:
    """The share (0 to 1) of pairs of records of one person that the model's keys propose.

    `truth` has `record_id` and `truth_col`. Identical records are one record to the engine: a
    pair of them counts as proposed. 1 when there is no true pair. Raises CandidateBudgetError as
    scoring does.
    """
    known = con.execute(
        f"select cast(record_id as varchar) as record_id, cast({truth_col} as varchar) as person_id from {truth} "
        f"where {truth_col} is not null order by 1"
    ).to_arrow_table()
    with prepared(con, model, records) as features:
        work = features.con
        make_pairs(work, model.keys if model.comparisons else (), model.caps, budget or Budget())
        work.register("known_truth_arrow", known)
        try:
            proposed, true = work.execute(
                f"""
                with people as (
                    select
                        truths.person_id, coalesce(identical.representative, ids.rid) as rid, count(*)::double as records
                    from known_truth_arrow as truths
                    inner join record_ids as ids on truths.record_id = ids.record_id
                    left join {IDENTICAL} as identical on ids.rid = identical.rid
                    group by all
                ),
                folded as (
                    select coalesce(sum(records * (records - 1) / 2), 0) as pairs from people
                ),
                candidates as (
                    select coalesce(sum(one.records * other.records), 0) as pairs
                    from {PAIRS} as pairs
                    inner join people as one on pairs.l = one.rid
                    inner join people as other on pairs.r = other.rid and one.person_id = other.person_id
                ),
                entities as (select person_id, sum(records) as records from people group by all),
                actual as (select coalesce(sum(records * (records - 1) / 2), 0) as pairs from entities)
                select folded.pairs + candidates.pairs, actual.pairs from folded, candidates, actual
                """
            ).fetchall()[0]
        finally:
            work.unregister("known_truth_arrow")
    return float(proposed / true) if true else 1.0
