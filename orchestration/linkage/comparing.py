"""What another model would change: customers that would merge or split, pairs, weights, thresholds.

Belongs here: scoring and clustering the same records with two models beside the warehouse, and telling the difference.
Does not belong here: choosing a model, or writing anything that lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.evaluation import ClusterScores, evaluate
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.sql import scalar_int

if TYPE_CHECKING:
    import duckdb

SCRATCH = "kindred_comparing"
EXAMPLES = 5
# Record ids shown of a group; the count says how many there are.
_SHOWN_RECORDS = 12
# Weights closer than this are the same to people.
_NOTICED_BITS = 0.5


@dataclass(frozen=True)
class LevelChange:
    """What one outcome of a comparison is worth in two models; None where a model does not have it."""

    comparison: str
    level: str
    before: float | None
    after: float | None
    """log2 of how much likelier the outcome is for one person than for strangers."""

    @property
    def change(self) -> float:
        """By how many bits it moved; an outcome that only one model has moved by all of its weight."""
        return (self.after or 0.0) - (self.before or 0.0)


@dataclass(frozen=True)
class Regrouping:
    """Records that one model holds to be one customer and the other to be several: each part by its records."""

    records: int
    parts: tuple[tuple[str, ...], ...]
    """The several customers, the largest first, each by at most twelve of its record ids."""
    part_sizes: tuple[int, ...]


@dataclass(frozen=True)
class ModelComparison:
    """Two models on the same records: `before` and `after` taking the second into use."""

    before: str
    after: str
    records: int
    customers_before: int
    customers_after: int
    merged: int
    """Customers of the second model made of records that the first holds apart."""
    split: int
    """Customers of the first model that the second takes apart."""
    merges: tuple[Regrouping, ...]
    splits: tuple[Regrouping, ...]
    """Examples of both, the largest first."""
    pairs_gained: int
    pairs_lost: int
    """Pairs of records that are one customer after but not before, and the reverse."""
    threshold_before: float
    threshold_after: float
    expected_before: tuple[float | None, float | None]
    expected_after: tuple[float | None, float | None]
    """Precision and recall that training expected."""
    levels: tuple[LevelChange, ...]
    """Outcomes whose weight moved noticeably, the furthest first."""


def compare_models(
    con: duckdb.DuckDBPyConnection,
    before: LinkageModel,
    after: LinkageModel,
    records: str,
    *,
    judgements: str | None = None,
) -> ModelComparison:
    """Score and cluster the records with both models in a scratch database, and tell the difference.

    `judgements`, when given, is applied in both as a run would.

    Raises as `orchestration.linkage.score` does.
    """
    from orchestration.linkage.clustering import cluster
    from orchestration.linkage.scoring import score

    con.execute(f"attach ':memory:' as {SCRATCH}")
    try:
        for name, model in (("before", before), ("after", after)):
            edges, clusters = f"{SCRATCH}.main.edges", f"{SCRATCH}.main.clusters_{name}"
            score(con, model, records, edges)
            cluster(con, model, records, edges, clusters, judgements=judgements)
        sides = (f"{SCRATCH}.main.clusters_before", f"{SCRATCH}.main.clusters_after")
        agreement = _agreement(con, *sides)
        merged, merges = _regroupings(con, parts=sides[0], wholes=sides[1])
        split, splits = _regroupings(con, parts=sides[1], wholes=sides[0])
    finally:
        con.execute(f"detach {SCRATCH}")
    return ModelComparison(
        before=before.version,
        after=after.version,
        records=agreement.records,
        customers_before=agreement.entities,
        customers_after=agreement.clusters,
        merged=merged,
        split=split,
        merges=merges,
        splits=splits,
        pairs_gained=agreement.predicted_pairs - agreement.correct_pairs,
        pairs_lost=agreement.true_pairs - agreement.correct_pairs,
        threshold_before=before.threshold_weight,
        threshold_after=after.threshold_weight,
        expected_before=_expected(before),
        expected_after=_expected(after),
        levels=tuple(change for change in level_changes(before, after) if abs(change.change) >= _NOTICED_BITS),
    )


def level_weights(model: LinkageModel) -> dict[tuple[str, str], tuple[float, float]]:
    """m and u of each outcome of each comparison: among plain matches, and among strangers."""
    mixture = model.mixture
    one = next(i for i, kind in enumerate(mixture.kinds) if kind.same and not kind.own)
    strangers = next(i for i, kind in enumerate(mixture.kinds) if not kind.same and not kind.own)
    found = {}
    for comparison, offset in zip(model.comparisons, mixture.offsets, strict=True):
        top = offset + len(comparison.levels) - 1
        for position, level in enumerate(comparison.levels):
            m, u = mixture.levels[one][top - position], mixture.levels[strangers][top - position]
            found[comparison.name, level.name] = (float(m), float(u))
    return found


def level_changes(before: LinkageModel, after: LinkageModel) -> tuple[LevelChange, ...]:
    """What each outcome is worth in both models, those that moved furthest first."""
    old, new = (
        {key: float(np.log2(m / u)) for key, (m, u) in level_weights(model).items()} for model in (before, after)
    )
    changes = [LevelChange(*key, old.get(key), new.get(key)) for key in {**old, **new}]
    return tuple(sorted(changes, key=lambda change: (-round(abs(change.change), 6), change.comparison, change.level)))


def _expected(model: LinkageModel) -> tuple[float | None, float | None]:
    return model.report.get("expected_precision"), model.report.get("expected_recall")


def _agreement(con: duckdb.DuckDBPyConnection, before: str, after: str) -> ClusterScores:
    """The second partition measured against the first."""
    con.execute(
        f"create table {SCRATCH}.main.partition_before as select record_id, cluster_id as person_id from {before}"
    )
    return evaluate(con, after, f"{SCRATCH}.main.partition_before", cluster_col="cluster_id")


def _regroupings(con: duckdb.DuckDBPyConnection, parts: str, wholes: str) -> tuple[int, tuple[Regrouping, ...]]:
    """How many clusters of `wholes` hold records of several clusters of `parts`, and the largest of them."""
    mixed = f"""
        with both_sides as (
            select wholes.record_id, wholes.cluster_id as whole, parts.cluster_id as part
            from {wholes} as wholes inner join {parts} as parts on wholes.record_id = parts.record_id
        ),
        mixed as (
            select whole, count(*) as records from both_sides group by whole having count(distinct part) > 1
        )
    """
    count = scalar_int(con, f"{mixed} select count(*) from mixed")
    rows = con.execute(
        f"""
        {mixed},
        chosen as (
            select whole, records from mixed order by records desc, whole limit {EXAMPLES}
        )
        select
            chosen.whole, chosen.records, both_sides.part, count(*) as size,
            list(both_sides.record_id order by both_sides.record_id)[1:{_SHOWN_RECORDS}] as shown
        from chosen inner join both_sides on chosen.whole = both_sides.whole
        group by all
        order by chosen.records desc, chosen.whole, size desc, both_sides.part
        """
    ).fetchall()
    grouped: dict[str, list[tuple[int, int, tuple[str, ...]]]] = {}
    for whole, records, _, size, shown in rows:
        grouped.setdefault(whole, []).append((int(records), int(size), tuple(shown)))
    return count, tuple(
        Regrouping(
            records=entries[0][0],
            parts=tuple(shown for _, _, shown in entries),
            part_sizes=tuple(size for _, size, _ in entries),
        )
        for entries in grouped.values()
    )
