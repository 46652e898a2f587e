"""What judgements teach a model: simulated pairs whose truth is known, never a benchmark's."""

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestration.linkage.calibration import estimate_shift, shares_of_say
from orchestration.linkage.training import choose_threshold

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]


def population(off_by: float, pairs: int = 40_000, seed: int = 5) -> tuple[Numbers, Truths]:
    """Pairs with the weights of a model that is off by so many bits, and whether each is one person."""
    chance = np.random.default_rng(seed)
    true_weight = np.concatenate([chance.normal(-9, 4, pairs * 3 // 4), chance.normal(8, 4, pairs // 4)])
    same = chance.random(len(true_weight)) < 1 / (1 + np.exp2(-true_weight))
    return true_weight - off_by, same


def near_threshold(weights: Numbers, count: int, seed: int = 3) -> NDArray[np.int64]:
    """Which pairs a review queue would ask about: those nearest to even odds, as the model sees them."""
    doubtful = np.flatnonzero(np.abs(weights) < 4)
    return np.random.default_rng(seed).choice(doubtful, count, replace=False)


def f1_at(weights: Numbers, same: Truths, threshold: float) -> float:
    found = same & (weights >= threshold)
    return float(2 * found.sum() / ((weights >= threshold).sum() + same.sum()))


def test_no_judgements_move_nothing() -> None:
    assert estimate_shift([], []) == 0.0


@pytest.mark.parametrize("off_by", [-4.0, -2.0, 2.0, 4.0])
def test_judgements_of_doubtful_pairs_take_a_bias_back(off_by: float) -> None:
    weights, same = population(off_by)
    asked = near_threshold(weights, 300)

    shift = estimate_shift(weights[asked], same[asked])

    assert np.sign(shift) == np.sign(off_by)
    assert abs(shift - off_by) < 0.8
    counts = np.ones(len(weights))
    before = choose_threshold(weights, counts)[0]
    after = choose_threshold(weights + shift, counts)[0]
    assert f1_at(weights + shift, same, after) >= f1_at(weights, same, before) - 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_judgements_of_a_good_model_do_not_worsen_it(seed: int) -> None:
    weights, same = population(0.0, seed=seed)
    asked = near_threshold(weights, 60, seed)

    shift = estimate_shift(weights[asked], same[asked])

    assert abs(shift) < 0.8
    counts = np.ones(len(weights))
    before = f1_at(weights, same, choose_threshold(weights, counts)[0])
    assert f1_at(weights + shift, same, choose_threshold(weights + shift, counts)[0]) > before - 0.004


def test_ten_judgements_move_little_and_a_hundred_more() -> None:
    ten = estimate_shift(np.full(10, -1.0), np.full(10, True))
    hundred = estimate_shift(np.full(100, -1.0), np.full(100, True))
    assert 0 < ten < 2 < hundred


def test_a_mistaken_judgement_far_from_the_threshold_moves_hardly_anything() -> None:
    weights, same = population(0.0)
    asked = near_threshold(weights, 60)
    clean = estimate_shift(weights[asked], same[asked])

    wrong = estimate_shift(np.append(weights[asked], 30.0), np.append(same[asked], False))

    assert abs(wrong - clean) < 0.1


def test_ten_judgements_on_one_record_count_as_one() -> None:
    say = shares_of_say(["a"] * 10 + ["x"], [f"b{n}" for n in range(10)] + ["y"])
    assert say[:10].sum() == pytest.approx(1.0)
    assert say[10] == 1.0
    together = estimate_shift(np.full(10, -1.0), np.full(10, True), say[:10])
    assert together == pytest.approx(estimate_shift([-1.0], [True]), abs=0.01)
