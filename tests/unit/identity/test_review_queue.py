"""The queue: what is open and moves most comes first, what was judged stays out, rows' order is irrelevant."""

import random

import duckdb
import pytest

from orchestration.identity.review_queue import entropy, make_review_queue
from orchestration.identity.trees import Link, SpanningTree

Edge = tuple[str, str, float]


def queue(
    edges: list[Edge],
    members: dict[str, str],
    judged: list[tuple[str, str, str]] | None = None,
    *,
    size: int = 10,
    held: dict[str, float] | None = None,
) -> list[tuple]:
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("create schema resolution")
        con.execute(
            "create table edges (record_id_l varchar, record_id_r varchar, match_weight double, match_probability double)"
        )
        con.execute("create table members (record_id varchar, customer_id varchar, match_probability double)")
        con.execute("create table judged (record_id_l varchar, record_id_r varchar, verdict varchar)")
        for left, right, weight in edges:
            con.execute("insert into edges values (?, ?, ?, ?)", [left, right, weight, 1 / (1 + 2**-weight)])
        for record, customer in members.items():
            con.execute("insert into members values (?, ?, ?)", [record, customer, (held or {}).get(record, 1.0)])
        for row in judged or []:
            con.execute("insert into judged values (?, ?, ?)", list(row))
        length = make_review_queue(con, "edges", "members", "judged", size=size)
        rows = con.execute("select * from resolution.review_queue order by rank").fetchall()
        assert len(rows) == length
        assert [row[-1] for row in rows] == list(range(1, length + 1))
        return rows


def pairs(rows: list[tuple]) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in rows]


APART = {"a": "A", "b": "B", "c": "C", "d": "D"}


def test_what_is_open_comes_before_what_is_clear() -> None:
    rows = queue([("a", "b", -4.0), ("a", "c", 0.0), ("c", "d", -2.0)], APART)
    assert pairs(rows) == [("a", "c"), ("c", "d"), ("a", "b")]
    assert rows[0][5] == pytest.approx(1.0)
    assert rows[0][5] == pytest.approx(entropy(0.5))


def test_a_decision_that_moves_more_records_comes_first() -> None:
    members = {**APART, "b2": "B", "b3": "B", "a2": "A", "a3": "A"}
    rows = queue([("c", "d", -1.0), ("a", "b", -2.0)], members)
    assert pairs(rows) == [("a", "b"), ("c", "d")]
    assert "a customer of 3 and one of 3" in rows[0][4]


def test_two_customers_are_asked_about_once_by_their_strongest_pair() -> None:
    rows = queue([("a", "b", -1.0), ("a2", "b", -0.5), ("a2", "b2", -3.0)], {**APART, "a2": "A", "b2": "B"})
    assert pairs(rows) == [("a2", "b")]


def test_a_likely_pair_that_a_guard_kept_apart_is_open() -> None:
    assert queue([("a", "b", 9.0)], APART)[0][5] > 0.9


def test_judged_pairs_and_customers_judged_different_stay_out() -> None:
    edges = [("a", "b", 0.0), ("a2", "b", -0.1), ("c", "d", 0.0)]
    members = {**APART, "a2": "A"}
    assert pairs(queue(edges, members, [("a", "b", "cannot_link")])) == [("c", "d")]
    assert pairs(queue(edges, members, [("a", "b", "unsure")])) == [("c", "d"), ("a2", "b")]


def test_the_weakest_link_that_holds_most_is_asked() -> None:
    members = dict.fromkeys("abcdef", "A")
    edges = [("a", "b", 9.0), ("b", "c", 9.0), ("c", "d", 1.0), ("d", "e", 9.0), ("e", "f", 9.0)]
    rows = queue(edges, members, held=dict.fromkeys("def", 0.67))
    assert pairs(rows) == [("c", "d")]
    assert rows[0][5] == pytest.approx(3 * entropy(2 / 3), abs=1e-4)
    assert rows[0][4].startswith("holds the customer together")
    assert pairs(queue(edges, members, [("c", "d", "must_link")], held=dict.fromkeys("def", 0.67))) == []


def test_contrary_evidence_inside_a_customer_is_asked() -> None:
    edges = [("a", "b", 9.0), ("b", "c", 9.0), ("a", "c", -9.0)]
    rows = queue(edges, dict.fromkeys("abc", "A"))
    assert pairs(rows) == [("a", "c")]
    assert rows[0][4].startswith("contrary evidence")
    assert rows[0][5] == pytest.approx(1.0, abs=0.01)


def test_the_queue_is_bounded_and_does_not_depend_on_order() -> None:
    edges = [(f"l{n}", f"r{n}", -n / 10) for n in range(30)]
    members = {record: record for edge in edges for record in edge[:2]}
    first = queue(edges, members, size=7)
    assert len(first) == 7
    random.Random(1).shuffle(edges)
    assert queue(edges, dict(reversed(members.items())), size=7) == first


def test_nothing_is_open_without_edges() -> None:
    assert queue([], APART) == []


def test_a_tree_tells_what_falls_apart() -> None:
    links = [Link("a", "b", 5, 0.9), Link("b", "c", 1, 0.6), Link("a", "c", 0.5, 0.5), Link("c", "d", 7, 0.99)]
    tree = SpanningTree("abcde", links)
    assert [(link.left, link.right) for link in tree.links] == [("c", "d"), ("a", "b"), ("b", "c")]
    assert tree.parts_without(tree.links[-1]) == (("a", "b"), ("c", "d", "e"))
    assert tree.weakest_between("a", "d") == links[1]
    assert tree.weakest_between("a", "e") is None
    assert [link.weight for link in tree.path("a", "d")] == [5, 1, 7]
