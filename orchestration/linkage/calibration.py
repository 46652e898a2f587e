"""What stewards' judgements teach a model about its prior and threshold.

Belongs here: estimating by how many bits the model's weights are off, and moving a model by them. Does not belong here:
applying judgements to pairs (clustering does), or choosing pairs to judge.

The estimate is a Platt scaling without slope (Platt 1999): the probability that a pair of weight w is one person is
taken as that of weight w + shift, and the shift is the most probable one under a normal prior around zero. It learns
from how often pairs of a weight were confirmed, not from which weights were judged, so that the review queue's choice of
pairs near the threshold does not bias it; that choice is why there is no slope, which pairs of one weight cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.mixture import Mixture
from orchestration.linkage.model import LinkageModel

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

# How far, in bits, an uncalibrated model's weights are thought to be off: ten judgements that all contradict the model by
# a bit move the weights by about one and a half bits, one by a fifth of a bit, and hundreds by what the data says.
PRIOR_BITS = 0.7
# Stewards err too: this share of judgements says nothing, so that a few contrary ones far from the threshold (a typing
# error in the decision) cannot drag the whole model along.
ERROR_RATE = 0.03
_LARGEST_SHIFT = 8.0
_STEP = 0.001


@dataclass(frozen=True)
class Calibration:
    """What the judgements said of a model."""

    judged_pairs: int
    must_link: int
    shift_bits: float
    """Added to every match weight; positive when the model was too cautious."""
    threshold_before: float
    threshold_after: float
    """Both on the shifted scale: what the old and the new threshold ask for once weights are right."""
    expected_precision_before: float
    expected_recall_before: float
    expected_precision_after: float
    expected_recall_after: float


def estimate_shift(
    weights: Sequence[float] | NDArray[np.float64],
    same: Sequence[bool] | NDArray[np.bool_],
    counts: Sequence[float] | NDArray[np.float64] | None = None,
) -> float:
    """By how many bits the match weights are off, from judged pairs.

    Args:
        weights: match weights (log2 of the odds) of the judged pairs.
        same: whether each was judged one person.
        counts: how much each judgement counts, at most one: judgements on one record are not independent. By default one.

    Returns the shift in bits, rounded to a thousandth; zero without judgements.
    """
    w = np.asarray(weights, dtype=float)
    y = np.asarray(same, dtype=bool)
    n = np.ones(len(w)) if counts is None else np.asarray(counts, dtype=float)
    if not len(w):
        return 0.0
    shifts = np.arange(-_LARGEST_SHIFT, _LARGEST_SHIFT + _STEP / 2, _STEP)
    best, best_shift = -np.inf, 0.0
    # The errors make the likelihood bumpy: a search over all shifts cannot stop at the wrong top.
    for block in np.array_split(shifts, 16):
        odds = np.clip(w[None, :] + block[:, None], -60, 60)
        probability = (1 - ERROR_RATE) / (1 + np.exp2(-odds)) + ERROR_RATE / 2
        likelihood = (n * np.log(np.where(y, probability, 1 - probability))).sum(axis=1)
        posterior = np.round(likelihood - block**2 / (2 * PRIOR_BITS**2), 9)
        # Of shifts that are as good the smallest counts.
        for value, shift in zip(posterior, block, strict=True):
            if value > best or (value == best and abs(shift) < abs(best_shift)):
                best, best_shift = float(value), float(shift)
    return round(best_shift, 3) + 0.0


def shares_of_say(left: Sequence[str], right: Sequence[str]) -> NDArray[np.float64]:
    """How much each judged pair counts: one for all the judgements on the busier of its two records.

    A steward who takes one record apart from ten others has learnt one thing about that record, not ten about weights.
    """
    times: dict[str, int] = {}
    for record in (*left, *right):
        times[record] = times.get(record, 0) + 1
    return np.array([1.0 / max(times[one], times[other]) for one, other in zip(left, right, strict=True)])


def shifted(model: LinkageModel, bits: float) -> LinkageModel:
    """The model with `bits` added to the weight of every pair, by making matches so much likelier beforehand.

    The threshold stays where it is.
    """
    same = np.array([kind.same for kind in model.mixture.kinds])
    share = np.where(same, model.mixture.share * np.exp2(bits), model.mixture.share)
    share = share / share.sum()
    share = np.array([float(f"{value:.9g}") for value in share])
    mixture = Mixture(model.mixture.kinds, model.mixture.offsets, share, model.mixture.levels)
    return replace(model, mixture=mixture)


def _expected(weights: NDArray[np.float64], counts: NDArray[np.float64], threshold: float) -> tuple[float, float]:
    """Expected precision and recall of the pairs from a threshold on, by calibrated probabilities."""
    probability = 1.0 / (1.0 + np.exp2(-np.clip(weights, -500, 500)))
    above = weights >= threshold
    found, made = float((probability * counts)[above].sum()), float(counts[above].sum())
    total = float((probability * counts).sum())
    return (found / made if made else 1.0), (found / total if total else 1.0)


def calibrate(
    model: LinkageModel,
    judged: NDArray[np.float64],
    same: NDArray[np.bool_],
    say: NDArray[np.float64],
    candidates: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> tuple[LinkageModel, Calibration]:
    """A model moved by judgements, with a threshold chosen anew on the moved weights.

    Args:
        judged: weights of the judged pairs by this model; `same` and `say` as for `estimate_shift`.
        candidates: weights of the records' candidate pairs by this model; `counts` the pairs of each.
    """
    from orchestration.linkage.training import choose_threshold

    bits = estimate_shift(judged, same, say)
    moved = candidates + bits
    # Without a shift the model already has the threshold that training chose.
    threshold = choose_threshold(moved, counts)[0] if bits else model.threshold_weight
    before = _expected(moved, counts, model.threshold_weight + bits)
    after = _expected(moved, counts, threshold)
    calibration = Calibration(
        judged_pairs=len(judged),
        must_link=int(np.sum(same)),
        shift_bits=bits,
        threshold_before=round(model.threshold_weight + bits, 4),
        threshold_after=threshold,
        expected_precision_before=before[0],
        expected_recall_before=before[1],
        expected_precision_after=after[0],
        expected_recall_after=after[1],
    )
    changed = replace(
        shifted(model, bits) if bits else model,
        threshold_weight=threshold,
        report={
            **model.report,
            "expected_precision": after[0],
            "expected_recall": after[1],
            "calibration": asdict(calibration),
        },
    )
    return changed, calibration


def calibrate_on(
    con: duckdb.DuckDBPyConnection, model: LinkageModel, records: str, judgements: str
) -> tuple[LinkageModel, Calibration | None]:
    """Calibrate a model by a table of judgements (`record_id_l`, `record_id_r`, `verdict`) on the records they are about.

    Judgements on records that are not there, and the undecided ones, say nothing; without any other the model comes back
    as it was. Scores the records once, in a database of its own.

    Raises as `orchestration.linkage.score` does.
    """
    from orchestration.linkage.judged import judged_weights
    from orchestration.linkage.scoring import score

    pairs = judged_weights(con, model, records, judgements)
    if not len(pairs.weights):
        return model, None
    con.execute("attach if not exists ':memory:' as kindred_calibration")
    try:
        edges = "kindred_calibration.main.edges"
        score(con, model, records, edges)
        counted = con.execute(
            f"select match_weight, count(*)::double as pairs from {edges} group by all order by all"
        ).to_arrow_table()
    finally:
        con.execute("detach kindred_calibration")
    return calibrate(
        model,
        pairs.weights,
        pairs.same,
        shares_of_say(pairs.left, pairs.right),
        counted["match_weight"].to_numpy().astype(float),
        counted["pairs"].to_numpy().astype(float),
    )
