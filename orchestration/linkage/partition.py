"""Partitioning a graph of weighed pairs into clusters that agree inside.

What belongs here: average linkage over numbered records, and cutting components that are too
large for it. What does not: where edges come from, judgements, records that say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.components import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

# One overwhelming agreement (a shared parcel address) must not outvote many disagreements, nor
# the reverse: weights beyond this are all "certain".
CERTAIN = 12.0
# A pair without an edge was not worth comparing or scored below the floor of edges.
UNKNOWN = -6.0
# Judgements of people weigh this much, for or against: no cluster is large enough to outvote one.
JUDGED = 1e6
# A record fits two clusters about equally when their mean weights differ by less than this (odds of
# 2 to 1), and the clusters are contrary when theirs lies this far below the threshold.
_AS_WELL = 1.0
_CONTRARY = 8.0
# Larger components are first cut at stronger edges: no person has this many records.
LARGEST_COMPONENT = 1_000


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
    pairs = total.copy()
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
    labels[members] = members[_without_torn(pairs, parent, threshold)]


def _without_torn(pairs: NDArray[np.float64], parent: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
    """Take records out of clusters that fit a contrary cluster just as well.

    A record can be one of two people only once: where it fits both about equally (a bare "John
    Smith" at the address of two of them), neither is likelier than not.
    """
    names = np.unique(parent)
    if len(names) < 2:
        return parent
    inside = (parent[None, :] == names[:, None]).astype(float)
    size = inside.sum(axis=1)
    fit = pairs @ inside.T
    own = np.searchsorted(names, parent)
    between = inside @ fit
    rest = size[own] - 1
    records = np.arange(len(parent))
    support = fit[records, own] / np.maximum(rest, 1)
    others = fit / size
    apart = (between[own] - fit) / (np.maximum(rest, 1)[:, None] * size)
    torn = (others >= np.maximum(threshold, support - _AS_WELL)[:, None]) & (apart <= threshold - _CONTRARY)
    torn[records, own] = False
    out = torn.any(axis=1) & (rest > 0) & (support < CERTAIN)
    if not out.any():
        return parent
    answer = parent.copy()
    for name in np.unique(parent[out]):
        left_over = records[(parent == name) & ~out]
        taken = records[(parent == name) & out]
        if len(left_over):
            answer[left_over] = left_over[0]
        rows, columns = np.nonzero(pairs[np.ix_(taken, taken)] >= threshold)
        together = connected_components(len(taken), rows, columns)
        answer[taken] = taken[together]
    return answer
