"""What a new model does by itself: the records that the last accepted run saw, grouped without all others."""

from dataclasses import replace

import duckdb
import pytest
from identity_days import Days

from orchestration.identity.regrouping import regroup_known
from orchestration.linkage import LinkageModel
from orchestration.linkage.comparisons import ValueClasses
from orchestration.linkage.mixture import Mixture

OLD, NEW = "m1", "m2"


@pytest.fixture
def model() -> LinkageModel:
    """A model of nothing: only its threshold matters to grouping."""
    import numpy as np

    return LinkageModel(
        comparisons=(), classes=ValueClasses(),
        mixture=Mixture(kinds=(), offsets=(), share=np.array([]), levels=np.zeros((0, 0))),
        keys=(), caps=(), extras=(), threshold_weight=0.0, report={},
    )  # fmt: skip


def grouped(days: Days, model: LinkageModel, pairs: list[tuple[str, str, float, bool]]) -> set[frozenset[str]] | None:
    """The groups of known records by these edges (left, right, weight, identical)."""
    con = days.con
    con.execute(
        "create or replace table today_edges (record_id_l varchar, record_id_r varchar, match_weight double, identical boolean)"
    )
    if pairs:
        con.executemany("insert into today_edges values (?, ?, ?, ?)", pairs)
    name = regroup_known(con, model, "today_edges", "said")
    if name is None:
        return None
    rows = con.execute(f"select list(record_id order by record_id) from {name} group by cluster_id").fetchall()
    return {frozenset(members) for (members,) in rows}


def arrive(days: Days, said: dict[str, int]) -> None:
    """The records of today, and what they say."""
    days.con.execute("create or replace table said (record_id varchar, row_hash ubigint)")
    days.con.executemany("insert into said values (?, ?)", list(said.items()))


def test_only_known_records_that_say_the_same_are_grouped(model: LinkageModel) -> None:
    days = Days()
    days.run({"a": 1, "b": 2, "c": 3, "gone": 4}, said={"a": 1, "b": 2, "c": 3})
    arrive(days, {"a": 1, "b": 2, "c": 33, "new": 9})
    link = [("a", "new", 5.0, False), ("b", "new", 5.0, False), ("b", "c", 5.0, False)]
    assert grouped(days, model, link) == {frozenset("a"), frozenset("b")}
    assert grouped(days, model, [*link, ("a", "b", 2.0, False)]) == {frozenset("ab")}


def test_a_known_record_stands_for_an_unknown_one_that_says_the_same(model: LinkageModel) -> None:
    days = Days()
    days.run({"b": 1, "c": 1, "d": 2})
    arrive(days, dict.fromkeys(("a", "b", "c", "d"), 0))
    # a is new and comes first, so that it represents b and c, and has their edges.
    pairs = [("a", "b", 9.0, True), ("a", "c", 9.0, True), ("a", "d", 4.0, False)]
    assert grouped(days, model, pairs) == {frozenset("bcd")}


def test_the_same_model_and_the_first_run_have_nothing_to_tell(model: LinkageModel) -> None:
    days = Days()
    arrive(days, {"a": 1})
    assert grouped(days, model, []) is None
    days.run({"a": 1}, model=model.version)
    assert grouped(days, model, []) is None
    assert grouped(days, replace(model, threshold_weight=1.0), []) == {frozenset("a")}


def test_a_warehouse_of_before_has_nothing_that_is_known_to_be_unchanged(model: LinkageModel) -> None:
    days = Days()
    days.run({"a": 1, "b": 2})
    days.con.execute("alter table resolution.accepted_memberships drop column said")
    arrive(days, {"a": 0, "b": 0})
    assert grouped(days, model, [("a", "b", 5.0, False)]) == set()
    with pytest.raises(duckdb.CatalogException):
        days.con.execute("from kindred_known_records")
