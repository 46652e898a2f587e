"""Scores of a partition against a truth."""

from itertools import combinations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.linkage import LinkageError, evaluate


def scores_of(rows: list[tuple[int, int]]):  # type: ignore[no-untyped-def]
    con = duckdb.connect(":memory:")
    con.execute("create table members (record_id int, customer_id int)")
    con.execute("create table truth (record_id int, person_id int)")
    for number, (made, true) in enumerate(rows):
        con.execute("insert into members values (?, ?)", [number, made])
        con.execute("insert into truth values (?, ?)", [number, true])
    return evaluate(con, "members", "truth")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_scores_are_what_listing_every_pair_gives(rows: list[tuple[int, int]]) -> None:
    pairs = list(combinations(rows, 2))
    made = sum(a[0] == b[0] for a, b in pairs)
    true = sum(a[1] == b[1] for a, b in pairs)
    right = sum(a == b for a, b in pairs)
    scores = scores_of(rows)
    assert (scores.predicted_pairs, scores.true_pairs, scores.correct_pairs) == (made, true, right)
    assert scores.pairwise_precision == pytest.approx(right / made if made else 1.0)
    assert scores.pairwise_recall == pytest.approx(right / true if true else 1.0)
    precision = [sum(o == r for o in rows) / sum(o[0] == r[0] for o in rows) for r in rows]
    recall = [sum(o == r for o in rows) / sum(o[1] == r[1] for o in rows) for r in rows]
    assert scores.bcubed_precision == pytest.approx(sum(precision) / len(rows))
    assert scores.bcubed_recall == pytest.approx(sum(recall) / len(rows))


def test_a_record_on_one_side_only_takes_no_part() -> None:
    con = duckdb.connect(":memory:")
    con.execute("create table members as select * from (values (1, 'a'), (2, 'a')) as t (record_id, customer_id)")
    con.execute("create table truth as select * from (values (1, 'x'), (3, 'x')) as t (record_id, person_id)")
    scores = evaluate(con, "members", "truth")
    assert (scores.records, scores.predicted_pairs, scores.true_pairs) == (1, 0, 0)


def test_a_repeated_record_is_refused() -> None:
    con = duckdb.connect(":memory:")
    con.execute("create table members as select * from (values (1, 'a'), (1, 'b')) as t (record_id, customer_id)")
    con.execute("create table truth as select 1 as record_id, 'x' as person_id")
    with pytest.raises(LinkageError, match="more than once"):
        evaluate(con, "members", "truth")
