"""Connected components and paths of weighted graphs, in arrays.

What belongs here: graph algorithms over numbered records. What does not: weights' meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def connected_components(records: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest record number of each record's component, by label propagation."""
    labels = np.arange(records)
    while len(left):
        lowest = np.minimum(labels[left], labels[right])
        before = labels.copy()
        np.minimum.at(labels, left, lowest)
        np.minimum.at(labels, right, lowest)
        # Hang every record, and the labels it met, on the smallest label known so far.
        np.minimum.at(labels, before[left], lowest)
        np.minimum.at(labels, before[right], lowest)
        labels = labels[labels]
        if np.array_equal(before, labels):
            break
    return labels


def bottlenecks(
    records: int,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    weight: NDArray[np.float64],
    roots: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Weight of the weakest edge on the best path from each record to a root of its component.

    Infinite for roots and minus infinite for records that no path leads to.
    """
    strength = np.where(roots, np.inf, -np.inf)
    while len(left):
        before = strength.copy()
        np.maximum.at(strength, right, np.minimum(before[left], weight))
        np.maximum.at(strength, left, np.minimum(before[right], weight))
        if np.array_equal(before, strength):
            break
    return strength
