"""Training: from records to a linkage model, without labels.

What belongs here: the order of the steps, the sample of pairs, the threshold. What does not:
each step's own rules, which live beside it.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestration.linkage.blocking import PAIRS, Budget, choose_keys, make_pairs, pin_caps
from orchestration.linkage.comparisons import Comparison, ValueClasses, add_value_classes, choose_comparisons
from orchestration.linkage.features import FEATURES
from orchestration.linkage.hot import fold_identical, remove_hot_values
from orchestration.linkage.mixture import Mixture, choose_kinds, estimate
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.outcomes import count_patterns
from orchestration.linkage.sql import scalar_int
from orchestration.linkage.workspace import FeatureTable, build_features, workspace

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

# Enough pairs to count patterns by; more only cost time.
_CANDIDATES_COMPARED = 1_000_000
_RANDOM_PAIRS_PER_RECORD = 10
_RANDOM_PAIRS_COMPARED = (20_000, 300_000)
_ROUNDED_DIGITS = 9
_AS_GOOD = 2e-4
_PLAUSIBLE_THRESHOLDS = (-3.0, 6.0)


def train(
    con: duckdb.DuckDBPyConnection,
    records: str,
    *,
    seed: int = 7,
    budget: Budget | None = None,
) -> LinkageModel:
    """Train a model on standardised records, without labels.

    `records` has `record_id` and any of the canonical attributes (and `extra_*` columns, which
    count as weak evidence). The same records and seed give the same model, whatever the order
    of the rows. Very small tables stay near the documented defaults of `comparisons.yaml`.

    Raises LinkageError for null or repeated ids, CandidateBudgetError when the records cannot
    be compared within the budget.
    """
    chosen_budget = budget or Budget()
    with workspace(con) as private:
        features = build_features(con, private, records)
        work = features.con
        hot = remove_hot_values(work)
        folded = fold_identical(work)
        comparisons, classes = choose_comparisons(work, features.extras)
        if not comparisons:
            return _model_of_nothing(features)
        add_value_classes(work, classes)
        keys = choose_keys(work, features.extras)
        caps, blocks = pin_caps(work, keys, chosen_budget)
        proposal = make_pairs(work, keys, caps, chosen_budget, counted=blocks)
        patterns, pairs, outside = _patterns(work, comparisons, seed)
    mixture = _rounded(estimate(comparisons, patterns, pairs, outside, expected_matches=0.3 * features.records))
    weights = mixture.weight(patterns)
    threshold, expected = choose_threshold(weights[~outside], pairs[~outside])
    report: dict[str, Any] = {
        "seed": seed,
        "records": features.records,
        "identical_records_folded": folded,
        "candidate_pairs": int(sum(report.pairs_kept for report in proposal.reports)),
        "blocking": [asdict(report) for report in proposal.reports],
        "hot_values": len(hot),
        "kinds": {kind.name: float(share) for kind, share in zip(mixture.kinds, mixture.share, strict=True)},
        **expected,
    }
    return LinkageModel(
        comparisons=comparisons,
        classes=classes,
        mixture=mixture,
        keys=tuple(keys),
        caps=caps,
        extras=features.extras,
        threshold_weight=threshold,
        report=report,
    )


def _model_of_nothing(features: FeatureTable) -> LinkageModel:
    """The model of records that say nothing (an empty table, only nulls): nobody is matched."""
    kinds = choose_kinds(())
    share = np.array([1e-9 if kind.same else 1.0 for kind in kinds])
    return LinkageModel(
        comparisons=(),
        classes=ValueClasses(),
        mixture=Mixture(kinds=kinds, offsets=(), share=share, levels=np.zeros((len(kinds), 0))),
        keys=(),
        caps=(),
        extras=features.extras,
        threshold_weight=0.0,
        report={"records": features.records, "candidate_pairs": 0, "expected_matches": 0.0},
    )


def _patterns(
    con: duckdb.DuckDBPyConnection,
    comparisons: tuple[Comparison, ...],
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Patterns that stand for all pairs of the records, each with its number of pairs.

    Candidate pairs are counted (or sampled when there are many); the others, nearly all of
    strangers, by a random sample (marked in the third array); identical records by their own
    pattern.
    """
    candidates = scalar_int(con, f"select count(*) from {PAIRS}")
    modulus = max(1, math.ceil(candidates / _CANDIDATES_COMPARED))
    con.execute(
        f"""
        create table compared_pairs as
        select pairs.l, pairs.r, ({modulus} * l.copies * r.copies)::double as weight
        from {PAIRS} as pairs
        inner join {FEATURES} as l on pairs.l = l.rid
        inner join {FEATURES} as r on pairs.r = r.rid
        where hash(pairs.l, pairs.r, {seed}) % {modulus} = 0
        union all
        select rid, rid, (case when copies > 1 then copies * (copies - 1) / 2 else held - 1 end)::double
        from {FEATURES} where held > 1
        """
    )
    patterns, weights = count_patterns(con, comparisons, "compared_pairs")
    inside = len(patterns)
    counted = scalar_int(con, f"select sum(copies) from {FEATURES}")
    others = counted * (counted - 1) / 2 - weights.sum()
    kept = scalar_int(con, f"select count(*) from {FEATURES}")
    if candidates < kept * (kept - 1) // 2 and others > 0:
        drawn_pairs = int(np.clip(_RANDOM_PAIRS_PER_RECORD * kept, *_RANDOM_PAIRS_COMPARED))
        con.execute(
            f"""
            create table places as
            select rid, (row_number() over (order by rid) - 1)::integer as place from {FEATURES}
            """
        )
        con.execute(
            f"""
            create table random_pairs as
            with drawn as (
                select
                    (hash(number, {seed}) % {kept})::integer as one,
                    (hash({seed}, number, 1) % {kept})::integer as two
                from range({drawn_pairs}) as numbers (number)
            ),
            pairs as (
                select distinct
                    least(first_place.rid, second_place.rid) as l,
                    greatest(first_place.rid, second_place.rid) as r
                from drawn
                inner join places as first_place on drawn.one = first_place.place
                inner join places as second_place on drawn.two = second_place.place
                where drawn.one != drawn.two
            )
            select pairs.l, pairs.r
            from pairs anti join {PAIRS} as candidates
                on pairs.l = candidates.l and pairs.r = candidates.r
            """
        )
        drawn = scalar_int(con, "select count(*) from random_pairs")
        # Whole numbers are summed exactly in any order; the scale comes after.
        con.execute("alter table random_pairs add column weight double default 1")
        random_patterns, random_weights = count_patterns(con, comparisons, "random_pairs")
        random_weights *= others / max(1, drawn)
        patterns = np.vstack([patterns, random_patterns])
        weights = np.concatenate([weights, random_weights])
    outside = np.arange(len(patterns)) >= inside
    return patterns, weights, outside


def choose_threshold(weights: NDArray[np.float64], pairs: NDArray[np.float64]) -> tuple[float, dict[str, float]]:
    """The match weight that maximises the expected F1 of the pairs, and what is expected there.

    With calibrated probabilities p, the pairs above a threshold hold sum(p) matches of
    sum(p over all pairs); no truth is needed.
    """
    if not len(weights):
        return 0.0, {"expected_precision": 1.0, "expected_recall": 1.0, "expected_matches": 0.0}
    order = np.argsort(-weights, kind="stable")
    probability = 1.0 / (1.0 + np.exp2(-np.clip(weights[order], -500, 500)))
    found = np.cumsum(probability * pairs[order])
    made = np.cumsum(pairs[order])
    total = float(found[-1])
    f1 = 2 * found / (made + total)
    # Where matches and others lie far apart many thresholds are as good; the one nearest to even
    # odds keeps its distance from both.
    good = np.flatnonzero(f1 >= f1.max() - _AS_GOOD)
    ranked = weights[order]
    low, high = float(ranked[good[-1]]), float(ranked[good[0]])
    if good[-1] + 1 < len(ranked):
        low = (low + float(ranked[good[-1] + 1])) / 2
    threshold = float(np.clip(np.clip(0.0, low, high), *_PLAUSIBLE_THRESHOLDS))
    at = int(np.searchsorted(-weights[order], -threshold, side="right")) - 1
    at = max(at, 0)
    return round(threshold, 4), {
        "expected_precision": float(found[at] / made[at]),
        "expected_recall": float(found[at] / total) if total else 1.0,
        "expected_matches": total,
    }


def _rounded(mixture: Mixture) -> Mixture:
    """Parameters to nine significant digits, so that sums in another order change nothing."""
    return Mixture(
        kinds=mixture.kinds,
        offsets=mixture.offsets,
        share=_significant(mixture.share),
        levels=_significant(mixture.levels),
    )


def _significant(values: NDArray[np.float64]) -> NDArray[np.float64]:
    text = np.vectorize(lambda value: float(f"{value:.{_ROUNDED_DIGITS}g}"), otypes=[float])
    return np.asarray(text(values)) if values.size else values
