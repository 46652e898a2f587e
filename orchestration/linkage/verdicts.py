"""What people decided about pairs, applied to the graph that is clustered.

What belongs here: keeping apart what must not be one, though it says exactly the same, and
uniting what must be one. What does not: storing judgements (orchestration.ledger), weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.components import connected_components
from orchestration.linkage.partition import JUDGED, partition

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Graph:
    """Weighed pairs of numbered records, the smaller number in `left`."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    weight: NDArray[np.float64]

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Left ends, right ends and weights."""
        return self.left, self.right, self.weight


@dataclass(frozen=True)
class Judged:
    """Pairs of numbered records (one pair a row) that must, and that cannot, be one person."""

    must: NDArray[np.int64]
    cannot: NDArray[np.int64]

    @classmethod
    def of(cls, verdicts: Iterable[tuple[int, int, str]]) -> Judged:
        """Judgements from (left, right, verdict), in any order."""
        ordered = sorted(verdicts)
        pairs = {
            verdict: [(left, right) for left, right, said in ordered if said == verdict]
            for verdict in ("must_link", "cannot_link")
        }
        must, cannot = (np.array(found, dtype=np.int64).reshape(-1, 2) for found in pairs.values())
        return cls(must, cannot)

    def renumbered(self, stands_for: NDArray[np.int64]) -> Judged:
        """The same judgements about what stands for the records; those about one and the same are left out."""
        must, cannot = (np.sort(stands_for[pairs], axis=1) for pairs in (self.must, self.cannot))
        return Judged(must[must[:, 0] != must[:, 1]], cannot[cannot[:, 0] != cannot[:, 1]])

    def forbidding(self, stands_for: NDArray[np.int64]) -> Graph:
        """The cannot-link judgements as edges."""
        cannot = self.renumbered(stands_for).cannot
        return Graph(cannot[:, 0], cannot[:, 1], np.full(len(cannot), -JUDGED))

    def weighing(self) -> Graph:
        """All judgements as edges."""
        pairs = np.concatenate([self.must, self.cannot])
        return Graph(pairs[:, 0], pairs[:, 1], np.repeat([JUDGED, -JUDGED], [len(self.must), len(self.cannot)]))


def strongest(graph: Graph, judged: Graph, stands_for: NDArray[np.int64]) -> Graph:
    """One edge between any two that stand for records: a judged one, or else the strongest."""
    ends = stands_for[np.stack([np.r_[graph.left, judged.left], np.r_[graph.right, judged.right]])]
    left, right = ends.min(axis=0), ends.max(axis=0)
    weight = np.r_[graph.weight, judged.weight]
    # Of contradictory judgements the one against counts: apart is what can be mended later.
    rank = np.where(weight <= -JUDGED, 0, np.where(weight >= JUDGED, 1, 2))
    order = np.lexsort((-weight, rank, right, left))
    order = order[left[order] != right[order]]
    left, right, weight = left[order], right[order], weight[order]
    first = np.ones(len(left), dtype=bool)
    first[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return Graph(left[first], right[first], weight[first])


def unfolded(
    folds: NDArray[np.int64], graph: Graph, identical: NDArray[np.bool_], judged: Judged
) -> tuple[NDArray[np.int64], Graph]:
    """Which record stands for each, when records that say the same (`folds`) stand as one.

    Only one of them has edges to others: what holds for it holds for all. Records of a fold that
    a judgement keeps apart stand for themselves and get the fold's edges, so that the evidence is
    the same for each of them.
    """
    apart = folds[judged.cannot]
    inside = judged.cannot[apart[:, 0] == apart[:, 1]]
    if not len(inside):
        return folds, graph
    alone = {int(record) for record in inside.flat}
    stands_for = folds.copy()
    standing: dict[int, list[int]] = {}
    for fold in sorted({int(folds[record]) for record in alone}):
        members = np.flatnonzero(folds == fold)
        rest = [int(member) for member in members if int(member) not in alone]
        stands_for[rest] = rest[0] if rest else fold
        own = [int(member) for member in members if int(member) in alone]
        stands_for[own] = own
        standing[fold] = sorted({int(node) for node in stands_for[members]})
    ends = folds[np.stack([graph.left, graph.right])]
    special = np.isin(ends, list(standing)).any(axis=0)
    copies: dict[tuple[int, int], float] = {}
    for one, other, weight in zip(ends[0, special], ends[1, special], graph.weight[special], strict=True):
        for left in standing.get(int(one), [int(one)]):
            for right in standing.get(int(other), [int(other)]):
                if left != right:
                    pair = (min(left, right), max(left, right))
                    copies[pair] = max(copies.get(pair, -np.inf), float(weight))
    pairs = np.array(sorted(copies), dtype=np.int64).reshape(-1, 2)
    return stands_for, Graph(
        np.r_[graph.left, pairs[:, 0]],
        np.r_[graph.right, pairs[:, 1]],
        np.r_[graph.weight, [copies[pair] for pair in sorted(copies)]],
    )


def united(labels: NDArray[np.int64], graph: Graph, judged: Judged, threshold: float) -> NDArray[np.int64]:
    """The clusters with those united that must-link pairs connect.

    Where that would unite a cannot-link pair, the must-linked records stand as one, and their
    component is partitioned anew: the evidence then decides which others go with them.
    """
    if not len(judged.must):
        return labels
    count = len(labels)
    groups = connected_components(count, labels[judged.must[:, 0]], labels[judged.must[:, 1]])[labels]
    cannot = groups[judged.cannot]
    broken = np.unique(cannot[cannot[:, 0] == cannot[:, 1], 0])
    if not len(broken):
        return groups
    strong = graph.weight >= threshold
    components = connected_components(
        count, np.r_[graph.left[strong], judged.must[:, 0]], np.r_[graph.right[strong], judged.must[:, 1]]
    )
    concerned = np.isin(components, np.unique(components[np.isin(groups, broken)]))
    stands_for = _stand_as_one(count, judged)
    chosen = concerned[graph.left] & concerned[graph.right]
    part = Graph(graph.left[chosen], graph.right[chosen], graph.weight[chosen])
    apart = judged.forbidding(stands_for)
    anew = partition(count, *strongest(part, apart, stands_for).arrays(), threshold)[stands_for]
    return np.where(concerned, anew, groups)


def _stand_as_one(count: int, judged: Judged) -> NDArray[np.int64]:
    """Which record stands for each when must-linked ones stand as one, as far as no judgement forbids it."""
    parent = np.arange(count)
    rivals: dict[int, set[int]] = {}
    for one, other in judged.cannot.tolist():
        rivals.setdefault(one, set()).add(other)
        rivals.setdefault(other, set()).add(one)
    members: dict[int, list[int]] = {}
    for one, other in judged.must.tolist():
        left, right = int(parent[one]), int(parent[other])
        ours, theirs = members.get(left, [left]), members.get(right, [right])
        if left == right or any(rival in theirs for record in ours for rival in rivals.get(record, ())):
            continue
        together = sorted(ours + theirs)
        parent[together] = together[0]
        members[together[0]] = together
    return parent
