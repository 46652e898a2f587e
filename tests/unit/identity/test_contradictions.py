"""Judgements that contradict each other: found, named with their path, and not guessed."""

from collections.abc import Iterable
from datetime import datetime
from itertools import combinations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.identity.errors import ContradictionError
from orchestration.identity.judgements import (
    conflicts_in_words,
    refuse_contradiction,
    settle,
    unheeded,
    write_judgements,
)
from orchestration.ledger.judgements import Judgement

AT = datetime(2026, 1, 5, 10)


def said(*verdicts: tuple[str, str, str]) -> tuple[Judgement, ...]:
    return tuple(
        Judgement(number, *sorted((one, other)), verdict, None, "eva", AT, None)
        for number, (one, other, verdict) in enumerate(verdicts, start=1)
    )


CHAIN = (("a", "b", "must_link"), ("c", "b", "must_link"))


def test_a_cannot_link_inside_a_path_of_must_links_is_found_with_its_path() -> None:
    applied, conflicts = settle(said(*CHAIN, ("a", "c", "cannot_link")))
    assert [entry.judgement_id for entry in applied] == [1, 2]
    assert [(c.judgement.judgement_id, [e.judgement_id for e in c.against]) for c in conflicts] == [(3, [1, 2])]
    assert "a and b are the same person (judgement 1)" in conflicts[0].words()


def test_the_latest_of_the_cycle_is_the_one_that_is_not_applied() -> None:
    applied, conflicts = settle(said(("a", "d", "cannot_link"), *CHAIN, ("d", "c", "must_link")))
    assert [entry.judgement_id for entry in applied] == [1, 2, 3]
    assert [e.judgement_id for e in conflicts[0].against] == [2, 3, 1]


def test_unsure_contradicts_nothing() -> None:
    assert settle(said(*CHAIN, ("a", "c", "unsure")))[1] == ()


def test_a_contradicting_decision_is_refused_with_the_way_out() -> None:
    entries = said(*CHAIN)
    refuse_contradiction(entries, "must_link", "a", "c")
    refuse_contradiction(entries, "cannot_link", "a", "b")
    with pytest.raises(ContradictionError, match=r"judgement 1\).*judgement 2\).*--undo 1 or kindred review --undo 2"):
        refuse_contradiction(entries, "cannot_link", "c", "a")
    refuse_contradiction((), "cannot_link", "a", "b")


RECORDS = st.sampled_from("abcdef")
VERDICTS = st.lists(
    st.tuples(RECORDS, RECORDS, st.sampled_from(("must_link", "cannot_link"))).filter(lambda v: v[0] != v[1]),
    max_size=14,
    unique_by=lambda v: frozenset(v[:2]),
)


def people(entries: Iterable[Judgement]) -> dict[str, int]:
    """The plain way: spread the smallest number over every must-link until nothing changes."""
    of = {record: number for number, record in enumerate("abcdef")}
    for _ in "abcdef":
        for entry in entries:
            if entry.verdict == "must_link":
                of[entry.record_id_l] = of[entry.record_id_r] = min(of[entry.record_id_l], of[entry.record_id_r])
    return of


@settings(max_examples=150, deadline=None, derandomize=True)
@given(VERDICTS)
def test_what_is_applied_never_contradicts_and_what_is_not_would(verdicts: list[tuple[str, str, str]]) -> None:
    entries = said(*verdicts)
    applied, conflicts = settle(entries)
    taken = [*applied, *(conflict.judgement for conflict in conflicts)]
    assert sorted(entry.judgement_id for entry in taken) == [entry.judgement_id for entry in entries]
    of = people(applied)
    for entry in applied:
        assert (of[entry.record_id_l] == of[entry.record_id_r]) == (entry.verdict == "must_link")
    for conflict in conflicts:
        before = [e for e in applied if e.judgement_id < conflict.judgement.judgement_id]
        together = people([*before, conflict.judgement])
        broken = [
            e for e in (*before, conflict.judgement)
            if e.verdict == "cannot_link" and together[e.record_id_l] == together[e.record_id_r]
        ]  # fmt: skip
        assert broken
        assert set(conflict.against) <= set(before)
        _closes_a_cycle(conflict.judgement, conflict.against)


def _closes_a_cycle(judgement: Judgement, against: tuple[Judgement, ...]) -> None:
    """Every record of the named judgements is named by two of them: together they are one round."""
    named = [record for entry in (judgement, *against) for record in entry.pair]
    assert all(named.count(record) == 2 for record in named)
    assert sum(entry.verdict == "cannot_link" for entry in (judgement, *against)) == 1


def test_the_warehouse_gets_what_applies_and_tells_of_the_rest() -> None:
    with duckdb.connect() as con:
        con.execute("create table records as select unnest(['a', 'b', 'c']) as record_id")
        counts = write_judgements(
            con, said(*CHAIN, ("a", "c", "cannot_link"), ("a", "later", "must_link"), ("a", "x", "unsure")), "records"
        )
        assert (counts.applied, counts.waiting, counts.conflicting) == (2, 2, 1)
        rows = con.execute("select record_id_l, record_id_r, verdict, decided_at from resolution.judgements").fetchall()
        assert ("b", "c", "must_link", AT) in rows
        assert not any(row[:2] == ("a", "c") for row in rows)
        assert conflicts_in_words(con) == [
            "judgement 3: a and c are different people, against judgement(s) 1, 2. It is not applied; undo one of them "
            "(`kindred review --undo ID`)."
        ]
        con.execute("insert into resolution.memberships values ('a', 'x', 1), ('b', 'x', 1), ('c', 'y', 1)")
        assert unheeded(con) == ["judgement 2: b and c are the same person, but other evidence outweighed it"]


def test_pairs_of_a_path_are_all_refused() -> None:
    path = said(*(("abcdef"[n], "abcdef"[n + 1], "must_link") for n in range(5)))
    for one, other in combinations("abcdef", 2):
        if ord(other) - ord(one) > 1:
            with pytest.raises(ContradictionError):
                refuse_contradiction(path, "cannot_link", one, other)
