"""The audit chain: whole when left alone; any change, gap, cut or rewriting is found."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.config import Settings
from orchestration.ledger import LedgerError
from orchestration.ledger.audit import NO_HASH, append, entries, head, verify
from orchestration.ledger.store import Ledger, current_actor, ledger_url

ENTRIES = 5


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ledger" / "ledger.sqlite"


@pytest.fixture
def ledger(file: Path) -> Ledger:
    made = Ledger(f"sqlite:///{file}")
    with made.writing() as connection:
        for number in range(ENTRIES):
            append(
                connection,
                actor="anna",
                action="quarantine.discard",
                subject=f"raw.t {number}",
                details={"rows": number, "file": "ü", "list": (1, None, True)},
            )
    return made


def _tamper(ledger: Ledger, file: Path, *statements: str) -> None:
    ledger.close()
    with sqlite3.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_chain_left_alone_is_whole(ledger: Ledger) -> None:
    assert verify(ledger) == []
    chain = entries(ledger)
    assert [entry.seq for entry in chain] == [1, 2, 3, 4, 5]
    assert chain[0].previous_hash == NO_HASH
    assert chain[0].details == {"rows": 0, "file": "ü", "list": [1, None, True]}
    assert head(ledger).hash == chain[-1].hash
    assert [entry.seq for entry in entries(ledger, limit=2)] == [4, 5]


def test_reading_an_empty_ledger_creates_nothing(file: Path) -> None:
    empty = Ledger(f"sqlite:///{file}")
    assert entries(empty) == []
    assert verify(empty) == []
    assert not file.parent.exists()


@pytest.mark.parametrize("seq", range(1, ENTRIES + 1))
@pytest.mark.parametrize(
    "change",
    [
        "actor = 'eve'",
        "action = 'x'",
        "subject = 'x'",
        "details = '{}'",
        "at = '2020-01-01 00:00:00.000000'",
        f"hash = '{'f' * 64}'",
        f"previous_hash = '{'f' * 64}'",
    ],
)
def test_a_changed_entry_is_found_and_named(ledger: Ledger, file: Path, seq: int, change: str) -> None:
    _tamper(ledger, file, f"update audit_log set {change} where seq = {seq}")
    assert any(f"entry {seq}" in problem for problem in verify(ledger))


@pytest.mark.parametrize("seq", range(1, ENTRIES + 1))
def test_a_dropped_entry_is_found(ledger: Ledger, file: Path, seq: int) -> None:
    _tamper(ledger, file, f"delete from audit_log where seq = {seq}")
    problems = verify(ledger)
    assert problems
    assert any(f"{seq}" in problem for problem in problems)


def test_renumbering_behind_a_dropped_entry_is_found(ledger: Ledger, file: Path) -> None:
    _tamper(
        ledger,
        file,
        "delete from audit_log where seq = 3",
        "update audit_log set seq = 3 where seq = 4",
        "update audit_log set seq = 4 where seq = 5",
        "update audit_head set seq = 4",
    )
    assert any("entry 3 does not follow entry 2" in problem for problem in verify(ledger))


def test_a_whole_chain_written_anew_is_found_by_a_head_that_was_noted(ledger: Ledger, file: Path) -> None:
    noted = head(ledger).hash
    _tamper(ledger, file, "delete from audit_log", "delete from audit_head")
    with ledger.writing() as connection:
        append(connection, actor="eve", action="x", subject="y")
    assert verify(ledger) == []
    assert verify(ledger, expected_head=noted) == [
        f"no entry has the hash {noted} that was noted: the chain was written anew"
    ]


@settings(max_examples=15, deadline=None)
@given(swap=st.permutations(range(1, ENTRIES + 1)).filter(lambda order: order != sorted(order)))
def test_reordered_entries_are_found(tmp_path_factory: pytest.TempPathFactory, swap: list[int]) -> None:
    file = tmp_path_factory.mktemp("swap") / "ledger.sqlite"
    ledger = Ledger(f"sqlite:///{file}")
    with ledger.writing() as connection:
        for number in range(ENTRIES):
            append(connection, actor="a", action="b", subject=str(number))
    moves = [f"update audit_log set seq = {-new} where seq = {old}" for old, new in enumerate(swap, start=1)]
    _tamper(ledger, file, *moves, "update audit_log set seq = -seq")
    assert verify(ledger)


def test_an_entry_stands_only_when_its_transaction_does(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.writing() as connection:
        append(connection, actor="a", action="b", subject="c")
        raise RuntimeError
    assert len(entries(ledger)) == ENTRIES
    assert verify(ledger) == []


def test_two_writers_make_one_chain(ledger: Ledger, file: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def write(writer: int) -> None:
        other = Ledger(f"sqlite:///{file}")
        for number in range(5):
            with other.writing() as connection:
                append(connection, actor=f"w{writer}", action="b", subject=str(number))
        other.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    assert len(entries(ledger)) == ENTRIES + 10
    assert verify(ledger) == []


def test_where_the_ledger_lies_and_who_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ledger_url(Settings(data=tmp_path)) == f"sqlite:///{tmp_path}/ledger/ledger.sqlite"
    assert ledger_url(Settings(data=tmp_path, ledger_url="postgresql://h/d")) == "postgresql://h/d"
    monkeypatch.setenv("KINDRED_USER", "steward@example.com")
    assert current_actor() == "steward@example.com"
    monkeypatch.delenv("KINDRED_USER")
    assert current_actor()


@pytest.mark.parametrize("url", ["sqlite:////proc/none/ledger.sqlite", "nonsense", "what://x/y"])
def test_a_ledger_that_cannot_be_opened_is_an_error_for_people(url: str) -> None:
    with pytest.raises(LedgerError), Ledger(url).writing():
        pass


def test_the_file_is_in_wal_mode(ledger: Ledger, file: Path) -> None:
    ledger.close()
    with sqlite3.connect(file) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    connection.close()
