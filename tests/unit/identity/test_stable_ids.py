"""Customer ids over days: who keeps an id, what is told of the others, and that nothing depends on order."""

import json
import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity_days import FIRST_DAY, Days, first_id

from orchestration.identity import IdChanges, forget_customers


def test_a_first_run_names_customers_by_the_record_that_was_loaded_first() -> None:
    days = Days(loaded={"crm:9": FIRST_DAY, "shop:1": date(2026, 1, 6)})
    days.run({"crm:9": 1, "shop:1": 1, "web:5": 2}, day=2)
    assert days.ids() == {"crm:9": first_id("crm:9"), "shop:1": first_id("crm:9"), "web:5": first_id("web:5")}


def test_records_of_one_day_are_told_apart_by_their_id() -> None:
    days = Days()
    days.run({"b:1": 1, "a:2": 1})
    assert days.ids()["b:1"] == first_id("a:2")


def test_an_unchanged_cluster_keeps_its_id_and_says_nothing() -> None:
    days = Days()
    days.run({"a": 1, "b": 1, "c": 2})
    before = days.everything()
    assert days.run({"a": 1, "b": 1, "c": 2}) == IdChanges()
    assert days.run({"a": 1, "b": 1, "c": 2}, day=1) == IdChanges()
    assert days.everything() == before


def test_a_record_that_is_older_than_the_founder_does_not_change_the_id() -> None:
    days = Days()
    days.run({"b": 1}, day=1)
    days.loaded["a"] = FIRST_DAY
    assert days.run({"a": 1, "b": 1}, day=2) == IdChanges()
    assert set(days.ids().values()) == {first_id("b")}


def test_the_larger_customer_keeps_its_id_in_a_merge() -> None:
    days = Days()
    days.run({"a": 1, "b": 2, "c": 2})
    days.run({"a": 1, "b": 1, "c": 1}, day=1, edges=[("a", "c", 7.5), ("a", "b", 3.0)])
    assert set(days.ids().values()) == {first_id("b")}
    assert days.events()[-1] == ("merged", first_id("a"), first_id("b"), "record")
    assert days.redirects() == {first_id("a"): first_id("b")}
    (evidence, left, right) = days.con.execute(
        "select evidence, record_id_l, record_id_r from resolution.id_events where kind = 'merged'"
    ).fetchall()[0]
    assert (left, right) == ("a", "c")
    assert json.loads(evidence)["match_weight"] == 7.5


def test_of_two_equals_the_older_id_stays_then_the_smaller_founder() -> None:
    days = Days()
    days.run({"b": 1}, day=0)
    days.run({"b": 1, "a": 2, "aa": 3}, day=1)
    days.run({"b": 1, "a": 1, "aa": 3}, day=2)
    assert set(days.ids().values()) == {first_id("b"), first_id("aa")}
    days = Days()
    days.run({"b": 1, "a": 2})
    days.run({"b": 1, "a": 1}, day=1)
    assert set(days.ids().values()) == {first_id("a")}


def test_the_part_with_the_founding_record_keeps_the_id_in_a_split() -> None:
    days = Days()
    days.run({"a": 1, "b": 1, "c": 1})
    days.run({"a": 1, "b": 2, "c": 2}, day=1, edges=[("a", "b", -3.0)])
    ids = days.ids()
    assert ids["a"] == first_id("a")
    assert ids["b"] == ids["c"] == first_id("b")
    assert days.events()[-2:] == [
        ("minted", first_id("b"), None, "record"),
        ("split", first_id("a"), first_id("b"), "record"),
    ]
    assert days.redirects() == {}


def test_without_its_founding_record_an_id_goes_with_most_of_its_records() -> None:
    days = Days()
    days.run({"a": 1, "b": 1, "c": 1, "d": 1})
    days.run({"b": 1, "c": 2, "d": 2}, day=1)
    ids = days.ids()
    assert ids["c"] == ids["d"] == first_id("a")
    assert ids["b"] == first_id("b")


def test_a_retired_id_never_comes_back_and_leads_to_its_founding_record() -> None:
    days = Days()
    days.run({"a": 1, "b": 2})
    days.run({"a": 1}, day=1)
    assert days.events()[-1] == ("retired", first_id("b"), None, "record")
    assert days.redirects() == {first_id("b"): None}
    days.run({"a": 1, "b": 2}, day=2)
    again = days.ids()["b"]
    assert again not in (first_id("a"), first_id("b"))
    assert days.redirects() == {first_id("b"): again}
    days.run({"a": 1}, day=3)
    days.run({"a": 1, "b": 2}, day=4)
    assert days.ids()["b"] not in (again, first_id("b"))
    assert days.redirects() == dict.fromkeys((first_id("b"), again), days.ids()["b"])


def test_a_merge_that_is_taken_back_gives_a_new_id_that_the_old_one_leads_to() -> None:
    days = Days()
    days.run({"a": 1, "b": 2})
    days.run({"a": 1, "b": 1}, day=1)
    days.run({"a": 1, "b": 2}, day=2)
    ids = days.ids()
    assert ids["a"] == first_id("a")
    assert ids["b"] not in (first_id("a"), first_id("b"))
    assert days.redirects() == {first_id("b"): ids["b"]}


def test_redirects_lead_to_the_living_after_chains() -> None:
    days = Days()
    days.run({"a": 1, "b": 2, "bb": 2, "c": 3, "cc": 3, "ccc": 3, "cccc": 3})
    days.run({"b": 2, "bb": 2, "a": 2, "c": 3, "cc": 3, "ccc": 3, "cccc": 3}, day=1)
    days.run({"b": 3, "bb": 3, "c": 3, "cc": 3, "ccc": 3, "cccc": 3}, day=2)
    assert days.redirects() == dict.fromkeys((first_id("a"), first_id("b")), first_id("c"))
    days.run({}, day=3)
    assert days.redirects() == dict.fromkeys((first_id("a"), first_id("b"), first_id("c")))


def test_a_day_of_merges_and_splits_at_once() -> None:
    """The founding record takes its id along, and the larger of the old customers wins where two ids meet."""
    days = Days()
    days.run({"a": 1, "b": 1, "c": 1, "x": 2, "y": 2})
    days.run({"a": 1, "x": 1, "y": 1, "b": 2, "c": 2}, day=1)
    ids = days.ids()
    assert ids["a"] == ids["x"] == ids["y"] == first_id("a")
    assert ids["b"] == ids["c"] == first_id("b")
    assert days.events()[-3:] == [
        ("minted", first_id("b"), None, "record"),
        ("split", first_id("a"), first_id("b"), "record"),
        ("merged", first_id("x"), first_id("a"), "record"),
    ]


def test_a_changed_model_is_the_cause_where_no_judgement_is() -> None:
    days = Days()
    days.run({"a": 1, "b": 2, "c": 3, "d": 4})
    days.run(
        {"a": 1, "b": 1, "c": 2, "d": 2}, day=1, model="m2", judgements=[(1, "c", "d", "must_link")],
    )  # fmt: skip
    causes = {frozenset(event[1:3]): event[3] for event in days.events() if event[0] == "merged"}
    assert causes == {
        frozenset((first_id("a"), first_id("b"))): "model",
        frozenset((first_id("c"), first_id("d"))): "judgement",
    }


@pytest.mark.parametrize(
    ("before", "after", "alone", "causes"),
    [
        # Two known customers become one: the model by itself does it, or only the new record makes the link.
        ({"a": 1, "b": 2}, {"a": 1, "b": 1}, {"a": 1, "b": 1}, ["model"]),
        ({"a": 1, "b": 2}, {"a": 1, "b": 1, "new": 1}, {"a": 1, "b": 2}, ["record"]),
        # What changed since is unknown to the model's grouping.
        ({"a": 1, "b": 2}, {"a": 1, "b": 1}, {"a": 1}, ["record"]),
        # Both at once: the model joins b, the new record c.
        ({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 1, "c": 1, "new": 1}, {"a": 1, "b": 1, "c": 3}, ["model", "record"]),
        # It joins by way of a third customer.
        ({"a": 1, "b": 2, "c": 3}, dict.fromkeys("abc", 1), dict.fromkeys("abc", 1), ["model", "model"]),
        # One comes apart: by the model, by a new record that draws b away, or because b changed.
        ({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}, ["model"]),
        ({"a": 1, "b": 1}, {"a": 1, "b": 2, "new": 2}, {"a": 1, "b": 1}, ["record"]),
        ({"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 1}, ["record"]),
        ({"a": 1, "b": 1, "c": 2}, {"a": 1, "b": 2, "c": 2}, {"a": 1, "b": 2, "c": 2}, ["model"]),
    ],
)
def test_a_new_model_is_the_cause_of_what_it_does_by_itself(
    before: dict[str, int], after: dict[str, int], alone: dict[str, int], causes: list[str]
) -> None:
    days = Days()
    days.run(before)
    told = days.told()
    days.run(after, day=1, model="m2", regrouped=alone)
    moves = [event for event in days.events()[told:] if event[0] in ("merged", "split")]
    assert sorted(event[3] for event in moves) == causes
    # Who was parted from a customer has an id for the same cause; a new customer of new records has not.
    minted = {event[1]: event[3] for event in days.events()[told:] if event[0] == "minted"}
    assert all(minted.get(other, cause) == cause for kind, _, other, cause in moves if kind == "split")


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ((), ((1, "a", "b", "must_link"),), "merged"),
        (((1, "a", "b", "cannot_link"),), (), "merged"),
        ((), ((1, "a", "b", "cannot_link"),), "split"),
        (((1, "a", "b", "must_link"),), (), "split"),
        (((1, "a", "b", "must_link"),), ((2, "a", "b", "cannot_link"),), "split"),
    ],
)
def test_a_changed_judgement_is_the_cause_of_what_it_pushes_to(before, after, kind) -> None:  # type: ignore[no-untyped-def]
    apart, together = {"a": 1, "b": 2}, {"a": 1, "b": 1}
    first, then = (apart, together) if kind == "merged" else (together, apart)
    days = Days()
    days.run(first, judgements=list(before))
    days.run(then, day=1, judgements=list(after), edges=[("a", "b", 1.0)])
    assert [(event[0], event[3]) for event in days.events() if event[0] in ("merged", "split")] == [(kind, "judgement")]
    evidence = days.con.execute(f"select evidence from resolution.id_events where kind = '{kind}'").fetchall()[0][0]
    assert "judgement" in json.loads(evidence)["because"]


def test_an_old_judgement_is_no_cause() -> None:
    days = Days()
    judged = [(1, "a", "b", "must_link")]
    days.run({"a": 1, "b": 1, "c": 2}, judgements=judged)
    days.run({"a": 1, "b": 1, "c": 1}, day=1, judgements=judged)
    assert days.events()[-1][3] == "record"


def test_a_run_that_was_not_accepted_leaves_no_trace() -> None:
    days, straight = Days(), Days()
    for each in (days, straight):
        each.run({"a": 1, "b": 2})
    days.assign({"a": 1, "b": 1, "c": 3}, day=1)
    days.assign({"a": 1, "c": 1}, day=1)
    for each in (days, straight):
        each.run({"a": 1, "b": 2, "c": 2}, day=1)
    assert days.everything() == straight.everything()


def test_events_of_one_day_that_tell_the_same_have_ids_of_their_own() -> None:
    days = Days()
    days.run({"a": 1, "b": 1, "c": 2})
    for _ in range(2):
        days.run({"a": 1, "b": 2, "c": 2}, day=1)
        days.run({"a": 1, "b": 1, "c": 2}, day=1)
    rows, distinct = days.con.execute("select count(*), count(distinct event_id) from resolution.id_events").fetchall()[
        0
    ]
    assert rows == distinct
    assert [event[0] for event in days.events()].count("split") == 4


def test_an_erased_customer_is_forgotten_and_its_id_never_given_again() -> None:
    days = Days()
    days.run({"a": 1, "b": 1, "c": 2})
    days.run({"a": 1, "b": 1, "c": 1}, day=1, edges=[("b", "c", 4.0)])
    gone = days.ids()["a"]
    for _ in range(2):
        forget_customers(days.con, [gone], FIRST_DAY)
    for table in ("memberships", "accepted_memberships", "customer_ids", "accepted_customer_ids", "id_events"):
        rows = days.con.execute(f"select * from resolution.{table}").fetchall()
        assert not any(value in ("a", "b", "c") for row in rows for value in row), table
        assert not any('"a"' in str(value) or '"b"' in str(value) for row in rows for value in row), table
    assert days.events()[-1] == ("retired", gone, None, "erasure")
    assert days.redirects() == {gone: None, first_id("c"): None}
    days.run({"a": 1}, day=2)
    assert days.ids()["a"] != gone


PARTITIONS = st.dictionaries(st.integers(0, 11).map("r{}".format), st.integers(0, 4), max_size=12)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.tuples(PARTITIONS, st.booleans()), min_size=1, max_size=4), st.integers(0, 1000))
def test_ids_are_stable_whatever_happens(history: list[tuple[dict[str, int], bool]], seed: int) -> None:
    """Over random days: nothing disappears or returns untold, redirects lead to the living, order and replay agree."""
    history = [*history[:-1], (history[-1][0], True)]
    days, mixed = Days(), Days(shuffle=random.Random(seed))
    ever: set[str] = set()
    ended: set[str] = set()
    for day, (partition, published) in enumerate(history):
        before, told = days.published_ids(), days.told()
        if not published:
            # Only the mixed one sees the run that a gate stopped.
            mixed.assign(partition, day)
            for record in partition:
                days.loaded.setdefault(record, mixed.loaded[record])
            continue
        for each in (days, mixed):
            each.run(partition, day)
        now, events, redirects = days.ids(), days.events()[told:], days.redirects()
        alive = set(now.values())
        assert set(now) == set(partition)
        assert len(alive) == len(set(partition.values()))
        # No id comes back; each has one beginning and at most one end.
        assert not alive & ended
        minted = [event[1] for event in events if event[0] == "minted"]
        assert sorted(minted) == sorted(alive - set(before.values()))
        assert not set(minted) & ever
        ends = [event[1] for event in events if event[0] in ("merged", "retired")]
        assert sorted(ends) == sorted(set(before.values()) - alive)
        ever |= alive
        ended |= set(ends)
        # Every record that changed its id is told of.
        moves = {(before[record], now[record]) for record in now if record in before and before[record] != now[record]}
        assert moves == {event[1:3] for event in events if event[0] in ("merged", "split")}
        # Redirects: exactly the ended ids, to the living or nobody.
        assert set(redirects) == ended
        assert set(redirects.values()) - {None} <= alive
        _keeps_the_rules(days, before, now, partition)
    assert days.everything() == mixed.everything()
    replayed = Days(loaded=dict(days.loaded))
    for day, (partition, published) in enumerate(history):
        if published:
            replayed.run(partition, day)
    assert replayed.everything() == days.everything()


def _keeps_the_rules(days: Days, before: dict[str, str], now: dict[str, str], partition: dict[str, int]) -> None:
    """The two plain cases: a whole old customer in one cluster beside others, and one that fell apart alone."""
    old: dict[str, set[str]] = {}
    for record, customer in before.items():
        old.setdefault(customer, set()).add(record)
    new: dict[int, set[str]] = {}
    for record, cluster in partition.items():
        new.setdefault(cluster, set()).add(record)
    founders = dict(days.con.execute("select customer_id, record_id from resolution.customer_ids").fetchall())
    for members in new.values():
        parts = {before[record] for record in members if record in before}
        if parts and all(old[customer] <= members for customer in parts):
            kept = now[next(iter(members))]
            assert kept in parts
            assert len(old[kept]) == max(len(old[customer]) for customer in parts), "the largest part keeps the id"
    for customer, records in old.items():
        clusters = {partition[record] for record in records if record in partition}
        alone = all(before.get(record) in (customer, None) for cluster in clusters for record in new[cluster])
        if clusters and alone and founders[customer] in records and founders[customer] in partition:
            assert now[founders[customer]] == customer, "the founding record keeps the id"
