"""Promotions of linkage models in the ledger: appended with their audit entry, and the one that holds for a day."""

from datetime import date
from pathlib import Path

import pytest

from orchestration.ledger.audit import entries, verify
from orchestration.ledger.digest import decisions_digest
from orchestration.ledger.judgements import Decision, decide, read_judgements
from orchestration.ledger.judgements import note_uses as note_judgements
from orchestration.ledger.promotions import append_promotion, note_use, promotion_for, read_promotions
from orchestration.ledger.store import Ledger
from orchestration.ledger.tombstones import Suppression, append_suppression

DAYS = [date(2026, 1, day) for day in range(1, 31)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path / 'ledger' / 'ledger.sqlite'}")


def promote(ledger: Ledger, version: str, since: date | None, previous: str | None = None) -> None:
    append_promotion(ledger, version, previous=previous, reason=f"try {version}", actor="anna", since=since)


def holding(ledger: Ledger, day: date | None) -> str | None:
    found = promotion_for(read_promotions(ledger), day)
    return found.version if found else None


def test_a_promotion_and_its_audit_entry_stand_together(ledger: Ledger) -> None:
    assert read_promotions(ledger) == ()

    promote(ledger, "one", DAYS[0])
    promote(ledger, "two", DAYS[4], previous="one")

    first, second = read_promotions(ledger)
    assert (first.version, first.previous_version, first.since, first.first_used_on) == ("one", None, DAYS[0], None)
    assert (second.version, second.previous_version, second.decided_by) == ("two", "one", "anna")
    assert [(entry.action, entry.subject) for entry in entries(ledger)] == [
        ("model.promote", "linkage model one"),
        ("model.promote", "linkage model two"),
    ]
    assert entries(ledger)[1].details == {"promotion_id": 2, "previous_version": "one", "reason": "try two"}
    assert verify(ledger) == []


def test_a_replay_changes_models_on_the_days_on_which_they_changed(ledger: Ledger) -> None:
    promote(ledger, "one", DAYS[0])
    note_use(ledger, 1, DAYS[0])
    promote(ledger, "two", DAYS[4])
    assert holding(ledger, DAYS[4]) == "two"
    assert holding(ledger, DAYS[3]) == "one"
    note_use(ledger, 2, DAYS[5])
    note_use(ledger, 2, DAYS[9])

    assert [holding(ledger, DAYS[day]) for day in (0, 3, 4, 5, 20)] == ["one", "one", "one", "two", "two"]
    assert holding(ledger, date(2020, 1, 1)) == "one"
    assert holding(ledger, None) == "two"


def test_a_model_that_was_superseded_before_any_run_is_never_used(ledger: Ledger) -> None:
    promote(ledger, "one", DAYS[0])
    note_use(ledger, 1, DAYS[0])
    promote(ledger, "mistake", DAYS[4])
    promote(ledger, "two", DAYS[4])
    note_use(ledger, 3, DAYS[6])

    assert [holding(ledger, DAYS[day]) for day in (3, 5, 6)] == ["one", "one", "two"]


def test_what_runs_note_themselves_is_no_changed_decision(ledger: Ledger) -> None:
    nothing = decisions_digest(ledger)
    promote(ledger, "one", DAYS[0])
    note_use(ledger, 1, DAYS[0])
    append_suppression(ledger, Suppression("t", DAYS[0], "f", "0" * 64, 1))
    assert decisions_digest(ledger) == nothing

    decide(ledger, Decision("a", "b", "must_link"), actor="anna")
    decided = decisions_digest(ledger)
    assert decided != nothing
    note_judgements(ledger, read_judgements(ledger), DAYS[0])
    assert read_judgements(ledger)[0].first_used_on == DAYS[0]
    assert decisions_digest(ledger) == decided

    from orchestration.ledger.decisions import RowDecision, append_decisions

    decision = RowDecision("t", DAYS[0], "f", 2, "discard", None, "why", (), (), "0" * 64)
    append_decisions(ledger, [decision], actor="anna", action="quarantine.discard", subject="raw.t", details={})
    assert decisions_digest(ledger) != decided
