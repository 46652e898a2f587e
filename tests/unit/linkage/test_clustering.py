"""Clustering of weighted graphs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from orchestration.linkage.components import bottlenecks, connected_components
from orchestration.linkage.partition import partition


def graph(edges: dict[tuple[int, int], float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    left = np.array([min(pair) for pair in edges], dtype=np.int64)
    right = np.array([max(pair) for pair in edges], dtype=np.int64)
    return left, right, np.array(list(edges.values()), dtype=float)


def test_a_weak_bridge_between_dense_groups_is_cut() -> None:
    edges = {(a, b): 10.0 for group in (range(4), range(4, 8)) for a in group for b in group if a < b}
    edges[(3, 4)] = 5.0
    assert list(partition(8, *graph(edges), 0.0)) == [0, 0, 0, 0, 4, 4, 4, 4]


def test_a_chain_with_contrary_ends_is_cut() -> None:
    assert len(set(partition(3, *graph({(0, 1): 8.0, (1, 2): 6.0, (0, 2): -12.0}), 0.0))) == 2


def test_a_cluster_that_agrees_holds_despite_a_doubtful_pair() -> None:
    assert list(partition(3, *graph({(0, 1): 12.0, (1, 2): 12.0, (0, 2): -1.0}), 0.0)) == [0, 0, 0]


def test_a_long_chain_of_thousands_does_not_become_one_person() -> None:
    labels = partition(5000, *graph({(number, number + 1): 4.0 for number in range(4999)}), 0.0)
    assert np.bincount(labels).max() < 10


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda pair: pair[0] < pair[1]),
        st.integers(-15, 15).map(float),
        max_size=40,
    ),
    st.randoms(use_true_random=False),
)
def test_the_partition_does_not_depend_on_the_order_of_edges(edges, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(edges.items())
    random.shuffle(shuffled)
    first = partition(12, *graph(edges), 0.0)
    assert list(first) == list(partition(12, *graph(dict(shuffled)), 0.0))
    assert all(first[name] == name for name in set(first)), "a cluster is named after its smallest member"
    strong = {pair for pair, weight in edges.items() if weight >= 0}
    components = connected_components(12, *graph(dict.fromkeys(strong, 1.0))[:2])
    assert all(components[record] == components[name] for record, name in enumerate(first))


@given(st.sets(st.tuples(st.integers(0, 19), st.integers(0, 19)).filter(lambda pair: pair[0] < pair[1]), max_size=30))
def test_components_are_what_a_search_finds(pairs: set[tuple[int, int]]) -> None:
    labels = connected_components(20, *graph(dict.fromkeys(pairs, 1.0))[:2])
    for start in range(20):
        seen, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            for a, b in pairs:
                for near, far in ((a, b), (b, a)):
                    if near == here and far not in seen:
                        seen.add(far)
                        waiting.append(far)
        assert labels[start] == min(seen)


def test_a_record_is_held_by_the_weakest_link_of_its_best_path() -> None:
    left, right, weight = graph({(0, 1): 9.0, (1, 2): 3.0, (0, 2): 1.0})
    roots = np.array([True, False, False])
    assert list(bottlenecks(3, left, right, weight, roots)) == [np.inf, 9.0, 3.0]
