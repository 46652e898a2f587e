"""The statistical model: pairs as a mixture of kinds, estimated without labels.

What belongs here: the kinds of pairs of `data/mixture.yaml`, expectation maximisation over
counted outcome patterns, and the weight of a pattern. What does not: SQL, pairs, records.

Within a kind, outcomes of different comparisons are independent; across kinds they are not,
which is how evidence that travels together (a household's surname, street and landline) counts
once. Fellegi and Sunter's model (1969) is the special case of two kinds; estimation follows
Winkler (1988) with Dirichlet priors, so that small tables stay near the documented defaults.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestration.linkage.comparisons import Comparison
from orchestration.linkage.forms import DATA

if TYPE_CHECKING:
    from numpy.typing import NDArray

RULES_FILE = DATA / "mixture.yaml"

# Pairs' worth of trust in the documented defaults, per kind.
_PRIOR_PAIRS = 40.0
# However many pairs there are, the starting point of a free comparison keeps this share of the
# say, lest a kind drifts onto whatever else agrees often. Matches have a `trust` per comparison.
_PRIOR_SHARE = 0.3
_STRANGER_PRIOR_PAIRS = 500.0
_TINY = 1e-12
# Estimation ends when no kind that has this many pairs changes its share by more than this part.
_ALIVE_PAIRS = 20.0
_SETTLED = 2e-3


@dataclass(frozen=True)
class Kind:
    """One kind of pair; `agree`, `disagree` and `free` name comparisons with their own levels.

    They differ in where those start and how firmly they are held there (see mixture.yaml).
    """

    name: str
    same: bool
    agree: frozenset[str]
    disagree: frozenset[str]
    free: frozenset[str] = frozenset()
    at_most: float = 1.0

    @property
    def own(self) -> frozenset[str]:
        """The comparisons whose levels belong to this kind alone."""
        return self.agree | self.disagree | self.free


@dataclass(frozen=True)
class Mixture:
    """Estimated kinds. `share[k]` is the share of all pairs; `levels[k, j]` probabilities.

    Columns of `levels` are the outcomes of all comparisons side by side: comparison c's outcome
    g stands at `offsets[c] + g`.
    """

    kinds: tuple[Kind, ...]
    offsets: tuple[int, ...]
    share: NDArray[np.float64]
    levels: NDArray[np.float64]

    def posterior(self, outcomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probability of each kind for each row of outcomes (-1 is missing)."""
        return _responsibilities(self.log_joint(outcomes))

    def log_joint(self, outcomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Natural log of share times likelihood, rows by kinds."""
        result = np.tile(np.log(self.share), (len(outcomes), 1))
        table = np.log(self.levels)
        for position, offset in enumerate(self.offsets):
            column = outcomes[:, position]
            seen = column >= 0
            result[seen] += table[:, offset + column[seen]].T
        return result

    def weight(self, outcomes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Match weight of each row: log2 of the odds of one person to anything else."""
        joint = self.log_joint(outcomes)
        same = np.array([kind.same for kind in self.kinds])
        one = _log_sum(joint[:, same])
        other = _log_sum(joint[:, ~same])
        return np.asarray((one - other) / np.log(2.0))


@cache
def _document() -> dict[str, Any]:
    import yaml

    document: dict[str, Any] = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
    return document


def choose_kinds(names: Sequence[str]) -> tuple[Kind, ...]:
    """The kinds that these comparisons can tell apart."""
    kinds = []
    seen = set()
    for entry in _document()["kinds"]:
        kind = Kind(
            name=entry["name"],
            same=bool(entry["same"]),
            agree=frozenset(entry.get("agree", ())) & frozenset(names),
            disagree=frozenset(entry.get("disagree", ())) & frozenset(names),
            free=frozenset(entry.get("free", ())) & frozenset(names),
            at_most=float(entry.get("at_most", 1.0)),
        )
        if entry.get("needs", names[0] if names else "") not in (*names, ""):
            continue
        shape = (kind.same, kind.agree, kind.disagree)
        plain = not entry.get("agree") and not entry.get("disagree")
        if shape in seen or (not plain and not kind.agree and not kind.disagree):
            continue
        if kind.disagree and len(kind.disagree) == len(names):
            continue
        seen.add(shape)
        kinds.append(kind)
    return tuple(kinds)


def estimate(
    comparisons: Sequence[Comparison],
    outcomes: NDArray[np.int64],
    pairs: NDArray[np.float64],
    outside: NDArray[np.bool_],
    expected_matches: float,
    iterations: int = 80,
) -> Mixture:
    """Expectation maximisation over outcome patterns.

    `outcomes` is patterns by comparisons (-1 missing), `pairs` how many of all pairs of records
    each pattern stands for, and `outside` marks patterns of pairs that no blocking key proposes:
    they are taken as strangers, since each pair of that sample stands for thousands, and a chance
    likeness among them would count as thousands of matches. `expected_matches` is where the search for the number of matching
    pairs starts.
    """
    kinds = choose_kinds([comparison.name for comparison in comparisons])
    sizes = [len(comparison.levels) for comparison in comparisons]
    offsets = tuple(int(x) for x in np.concatenate([[0], np.cumsum(sizes)[:-1]])) if sizes else ()
    width = int(sum(sizes))
    total = float(pairs.sum())
    m_default = np.concatenate(
        [np.array([level.m for level in c.levels[::-1]]) / sum(lv.m for lv in c.levels) for c in comparisons]
    )
    blocks = [slice(o, o + s) for o, s in zip(offsets, sizes, strict=True)]
    u_default = np.concatenate([_u_default(comparison) for comparison in comparisons])
    u_start = _normalised(_Shown.of(outcomes, offsets, width).total(pairs) + u_default * _STRANGER_PRIOR_PAIRS, blocks)
    strangers = next(i for i, k in enumerate(kinds) if not k.same and not k.own)
    prior = _priors(kinds, comparisons, blocks, m_default, u_start)
    levels = prior.copy()
    different = [i for i, kind in enumerate(kinds) if not kind.same and i != strangers]
    same = [i for i, kind in enumerate(kinds) if kind.same]
    share = np.zeros(len(kinds))
    start = min(max(expected_matches, 1.0), 0.3 * total) / total
    for position, i in enumerate(same):
        share[i] = start * (0.8 if position == 0 else 0.2 / max(1, len(same) - 1))
    for i in different:
        share[i] = start
    share[strangers] = max(1.0 - share.sum(), 0.1)
    share /= share.sum()
    previous = None
    elsewhere = _Shown.of(outcomes[outside], offsets, width).total(pairs[outside])
    pairs_elsewhere = float(pairs[outside].sum())
    shown, pairs = _Shown.of(outcomes[~outside], offsets, width), pairs[~outside]
    for _ in range(iterations):
        joint = shown.summed(np.log(levels)) + np.log(share)
        top = joint.max(axis=1, keepdims=True)
        likelihood = np.exp(joint - top)
        weighted = likelihood * (pairs / likelihood.sum(axis=1))[:, None]
        share = weighted.sum(axis=0) + 1e-3
        # Before any data is seen few pairs match: in a handful of records one agreement is not enough.
        share[strangers] += pairs_elsewhere + _STRANGER_PRIOR_PAIRS
        for i, kind in enumerate(kinds):
            if kind.at_most < 1.0:
                share[i] = min(share[i], kind.at_most * share[same[0]])
        share /= share.sum()
        counts = shown.counted(weighted)
        counts[strangers] += elsewhere
        levels = _maximise(kinds, comparisons, blocks, counts, prior, strangers, u_default)
        alive = share * total > _ALIVE_PAIRS
        settled = previous is not None and np.all(np.abs(np.log(share) - previous)[alive] < _SETTLED)
        previous = np.log(share)
        if settled:
            break
    return Mixture(kinds=kinds, offsets=offsets, share=share, levels=levels)


def _u_default(comparison: Comparison) -> NDArray[np.float64]:
    """What random people show before any data is seen, by outcome number."""
    count = len(comparison.levels)
    some = np.full(count, (1.0 - comparison.u_else) / max(1, count - 1))
    some[0] = comparison.u_else
    return some


def _priors(
    kinds: Sequence[Kind],
    comparisons: Sequence[Comparison],
    blocks: Sequence[slice],
    m_default: NDArray[np.float64],
    u_start: NDArray[np.float64],
) -> NDArray[np.float64]:
    rows = []
    for kind in kinds:
        row = (m_default if kind.same else u_start).copy()
        for comparison, block in zip(comparisons, blocks, strict=True):
            if comparison.name in kind.agree:
                row[block] = m_default[block]
            elif comparison.name in kind.disagree or comparison.name in kind.free:
                row[block] = u_start[block]
        rows.append(row)
    return np.maximum(np.array(rows), _TINY)


def _maximise(
    kinds: Sequence[Kind],
    comparisons: Sequence[Comparison],
    blocks: Sequence[slice],
    counts: NDArray[np.float64],
    prior: NDArray[np.float64],
    strangers: int,
    u_default: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Level probabilities from expected counts: own where free, shared where not."""
    levels = np.empty_like(counts)
    for comparison, block in zip(comparisons, blocks, strict=True):
        name = comparison.name
        for is_same in (True, False):
            tied = [i for i, kind in enumerate(kinds) if kind.same == is_same and name not in kind.own]
            if not tied:
                continue
            pool = counts[tied, block].sum(axis=0) if is_same else counts[strangers, block]
            if is_same:
                pooled = pool + (_PRIOR_PAIRS + comparison.trust * pool.sum()) * prior[tied[0], block]
            else:
                pooled = pool + _STRANGER_PRIOR_PAIRS * u_default[block]
            levels[tied, block] = pooled / pooled.sum()
        for i, kind in enumerate(kinds):
            if name in kind.own:
                share = 0.0 if name in kind.free else _PRIOR_SHARE
                trust = _PRIOR_PAIRS + share * counts[i, block].sum()
                own = counts[i, block] + trust * prior[i, block]
                levels[i, block] = own / own.sum()
    return np.maximum(levels, _TINY)


@dataclass(frozen=True)
class _Shown:
    """Which levels each pattern shows: one column of `levels`, or none, per comparison.

    Sums over levels by looking them up. As products with a matrix of zeros and ones they cost ten
    times as much on two cores, where a linear algebra library waits for its own threads, and
    their last digits depend on how many threads it has.
    """

    columns: NDArray[np.int64]
    """Comparisons by patterns; `width` where nothing is shown."""
    width: int

    @classmethod
    def of(cls, outcomes: NDArray[np.int64], offsets: Sequence[int], width: int) -> _Shown:
        """From outcome numbers (-1 is missing) and where the levels of each comparison start."""
        shown = np.where(outcomes >= 0, outcomes + np.array(offsets, dtype=np.int64), width)
        return cls(np.ascontiguousarray(shown.T), width)

    def summed(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Patterns by rows of `table` (rows by levels): the sum over the levels that a pattern shows."""
        padded = np.vstack([table.T, np.zeros(len(table))])
        result = np.zeros((self.columns.shape[1], len(table)))
        for column in self.columns:
            result += np.take(padded, column, axis=0)
        return result

    def counted(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns of `weights` (patterns by anything) by levels: the weight of the patterns that show a level."""
        result = np.zeros((weights.shape[1], self.width + 1))
        for row, of_all in zip(result, np.ascontiguousarray(weights.T), strict=True):
            for column in self.columns:
                row += np.bincount(column, of_all, self.width + 1)
        return result[:, : self.width]

    def total(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same for one weight per pattern."""
        return self.counted(weights[:, None])[0]


def _normalised(values: NDArray[np.float64], blocks: Sequence[slice]) -> NDArray[np.float64]:
    result = values.astype(float).copy()
    for block in blocks:
        result[block] /= result[block].sum()
    return result


def _responsibilities(joint: NDArray[np.float64]) -> NDArray[np.float64]:
    likelihood = np.exp(joint - joint.max(axis=1, keepdims=True))
    return np.asarray(likelihood / likelihood.sum(axis=1, keepdims=True))


def _log_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    top = values.max(axis=1)
    return np.asarray(top + np.log(np.exp(values - top[:, None]).sum(axis=1)))
