"""Judgements in the ledger: appended, undone by further entries, and audited without personal values."""

from datetime import date
from pathlib import Path

import pytest

from orchestration.ledger import LedgerError
from orchestration.ledger.audit import entries as audit_entries
from orchestration.ledger.audit import verify
from orchestration.ledger.judgements import Decision, decide, in_force, living, note_uses, read_judgements, undo
from orchestration.ledger.store import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")


def verdicts(ledger: Ledger) -> dict[tuple[str, str], str]:
    return {entry.pair: entry.verdict for entry in living(read_judgements(ledger))}


def test_nothing_was_judged_before_the_first_entry(ledger: Ledger) -> None:
    assert read_judgements(ledger) == ()


def test_the_last_verdict_of_a_pair_lives_whichever_way_round(ledger: Ledger) -> None:
    decide(ledger, Decision("b", "a", "must_link", "same voice", customer_b="cus_a"), actor="eva")
    decide(ledger, Decision("a", "b", "unsure"), actor="tom")
    (first, second) = read_judgements(ledger)
    assert first.pair == second.pair == ("a", "b")
    assert (first.customer_id_l, first.customer_id_r, first.reason, first.decided_by) == (
        "cus_a",
        None,
        "same voice",
        "eva",
    )
    assert verdicts(ledger) == {("a", "b"): "unsure"}


def test_undoing_restores_what_was_before_and_can_be_undone(ledger: Ledger) -> None:
    decide(ledger, Decision("a", "b", "must_link"), actor="eva")
    later = decide(ledger, Decision("a", "b", "cannot_link"), actor="eva")
    taken_back = undo(ledger, later.judgement_id, actor="eva", reason="a slip")
    assert verdicts(ledger) == {("a", "b"): "must_link"}
    undo(ledger, taken_back.judgement_id, actor="eva")
    assert verdicts(ledger) == {("a", "b"): "cannot_link"}
    assert len(read_judgements(ledger)) == 4


def test_what_cannot_be_undone_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no judgement 1; nothing has been judged"):
        undo(ledger, 1, actor="eva")
    decide(ledger, Decision("a", "b", "must_link"), actor="eva")
    undo(ledger, 1, actor="eva")
    with pytest.raises(LedgerError, match="undone already, by entry 2"):
        undo(ledger, 1, actor="eva")
    with pytest.raises(LedgerError, match="one record"):
        decide(ledger, Decision("a", "a", "must_link"), actor="eva")


def test_each_entry_is_in_the_audit_chain_without_records_or_reasons(ledger: Ledger) -> None:
    decide(ledger, Decision("crm:1", "shop:2", "must_link", "Anna told me"), actor="eva")
    undo(ledger, 1, actor="eva")
    chain = audit_entries(ledger)
    assert [(entry.action, entry.subject) for entry in chain] == [
        ("judgement.decide", "judgement 1"),
        ("judgement.undo", "judgement 2"),
    ]
    assert not any(word in str(entry) for entry in chain for word in ("crm:1", "shop:2", "Anna"))
    assert verify(ledger) == []


def test_a_guard_that_refuses_leaves_nothing_behind(ledger: Ledger) -> None:
    def refuse(entries: object) -> None:
        raise LedgerError("no")

    with pytest.raises(LedgerError, match="no"):
        decide(ledger, Decision("a", "b", "must_link"), actor="eva", guard=refuse)
    assert read_judgements(ledger) == ()
    assert audit_entries(ledger) == []


def test_a_rebuild_takes_judgements_into_account_from_their_day_on(ledger: Ledger) -> None:
    decide(ledger, Decision("a", "b", "must_link"), actor="eva")
    note_uses(ledger, read_judgements(ledger), date(2026, 1, 6))
    note_uses(ledger, read_judgements(ledger), date(2026, 1, 9))
    undo(ledger, 1, actor="eva")
    note_uses(ledger, read_judgements(ledger), date(2026, 1, 8))
    entries = read_judgements(ledger)
    assert [len(living(in_force(entries, date(2026, 1, day)))) for day in (5, 6, 7, 8)] == [0, 1, 1, 0]
    decide(ledger, Decision("a", "c", "must_link"), actor="eva")
    assert len(living(in_force(read_judgements(ledger), date(2026, 1, 5)))) == 1, "what no run used yet counts at once"
