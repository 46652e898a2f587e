"""Tampering with the audit log, in the ledger and in its export: any field of any entry changed, any entry dropped, swapped,
inserted or repeated is found."""

import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestration.ledger.audit import append, broken_links, entries, head, verify
from orchestration.ledger.audit_file import export_lines, verify_file, verify_lines
from orchestration.ledger.errors import LedgerError
from orchestration.ledger.store import Ledger

ENTRIES = 6
FIELDS = ("seq", "at", "actor", "action", "subject", "details", "previous_hash", "hash")
STEADY = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chain") / "ledger.sqlite"
    ledger = Ledger(f"sqlite:///{path}")
    with ledger.writing() as connection:
        for number in range(ENTRIES):
            append(
                connection,
                actor="änna",
                action="consent.set",
                subject=f"marketing/email {number}",
                details={"records": number, "decision_ids": [number], "note": None},
            )
    ledger.close()
    return path


@pytest.fixture(scope="module")
def lines(file: Path) -> list[str]:
    ledger = Ledger(f"sqlite:///{file}")
    return list(export_lines(entries(ledger), head(ledger)))


def _problems(lines: list[str]) -> list[str]:
    return verify_lines(lines)[0]


def test_an_export_left_alone_is_whole(file: Path, lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text("\n".join(lines) + "\n")
    noted = head(Ledger(f"sqlite:///{file}"))
    assert verify_file(path, noted.hash) == ([], noted)
    assert len(lines) == ENTRIES + 1
    assert verify_lines(list(export_lines([], head(Ledger("sqlite:////nowhere/x.sqlite")))))[0] == []


def test_the_documented_algorithm_gives_the_hashes(lines: list[str]) -> None:
    """As somebody without Kindred would write it."""
    import hashlib

    previous = "0" * 64
    for line in lines[:-1]:
        entry = json.loads(line)
        assert entry["previous_hash"] == previous
        content = {name: entry[name] for name in ("at", "actor", "action", "subject", "details", "seq")}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        previous = hashlib.sha256((text + previous).encode()).hexdigest()
        assert entry["hash"] == previous
    assert json.loads(lines[-1]) == {"head": {"seq": ENTRIES, "hash": previous}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@STEADY
@given(place=st.integers(0, ENTRIES - 1), name=st.sampled_from(FIELDS), value=json_values)
def test_any_field_of_any_entry_of_the_file_changed_is_found(
    lines: list[str], place: int, name: str, value: object
) -> None:
    entry = json.loads(lines[place])
    assume(json.dumps(entry[name], sort_keys=True) != json.dumps(value, sort_keys=True))
    tampered = [*lines[:place], json.dumps({**entry, name: value}), *lines[place + 1 :]]
    assert _problems(tampered)


@pytest.mark.parametrize("forged", ["é" * 64, "\ud800", "", "0" * 63])
def test_a_hash_that_is_none_is_found(lines: list[str], forged: str) -> None:
    entry = json.loads(lines[1])
    for name in ("previous_hash", "hash"):
        assert _problems([lines[0], json.dumps({**entry, name: forged}), *lines[2:]])


@STEADY
@given(place=st.integers(0, ENTRIES - 1), name=st.sampled_from(("at", "actor", "action", "subject")), data=st.data())
def test_a_single_character_changed_is_found(lines: list[str], place: int, name: str, data: st.DataObject) -> None:
    entry = json.loads(lines[place])
    spot = data.draw(st.integers(0, len(entry[name]) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda found: found != entry[name][spot]))
    entry[name] = entry[name][:spot] + letter + entry[name][spot + 1 :]
    assert _problems([*lines[:place], json.dumps(entry), *lines[place + 1 :]])


@STEADY
@given(data=st.data())
def test_entries_dropped_swapped_inserted_or_repeated_are_found(lines: list[str], data: st.DataObject) -> None:
    tampered = list(lines)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(tampered) - 1))
        match data.draw(st.sampled_from(["drop", "swap", "insert", "repeat", "cut"])):
            case "drop":
                del tampered[at]
            case "swap":
                other = data.draw(st.integers(0, len(tampered) - 1))
                tampered[at], tampered[other] = tampered[other], tampered[at]
            case "insert":
                tampered.insert(at, data.draw(st.sampled_from(["", "{}", "[]", "no json", lines[0], lines[-1]])))
            case "repeat":
                tampered.insert(at, tampered[at])
            case _:
                del tampered[at:]
        assume(tampered)
    assume(tampered != lines)
    assert _problems(tampered)


@pytest.mark.parametrize("gone", [0, ENTRIES // 2, ENTRIES - 1, ENTRIES])
def test_the_first_a_middle_the_last_entry_and_the_head_dropped_are_found(lines: list[str], gone: int) -> None:
    assert _problems(lines[:gone] + lines[gone + 1 :])


def test_a_file_that_was_cut_and_given_a_new_head_needs_the_head_that_was_noted(lines: list[str]) -> None:
    last = json.loads(lines[2])
    cut = [*lines[:3], json.dumps({"head": {"seq": 3, "hash": last["hash"]}})]
    assert _problems(cut) == []
    noted = json.loads(lines[-1])["head"]["hash"]
    assert verify_lines(cut, noted)[0] == [
        f"no entry has the hash {noted} that was noted: the chain was cut or written anew"
    ]


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        verify_file(tmp_path / "none.jsonl")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(LedgerError):
        verify_file(tmp_path / "bytes")


columns = st.sampled_from(
    [
        ("at", "'2020-01-01 00:00:00.000000'"), ("actor", "'eve'"), ("action", "'publish'"), ("subject", "'x'"),
        ("details", "'{}'"), ("hash", f"'{'a' * 64}'"), ("previous_hash", f"'{'b' * 64}'"), ("seq", "seq + 100"),
    ]
)  # fmt: skip


@settings(STEADY, max_examples=25)
@given(
    tampering=st.one_of(
        st.builds(
            lambda column, seq: [f"update audit_log set {column[0]} = {column[1]} where seq = {seq}"],
            columns, st.integers(1, ENTRIES),
        ),
        st.builds(lambda seq: [f"delete from audit_log where seq = {seq}"], st.integers(1, ENTRIES)),
        st.builds(
            lambda pair: [
                f"update audit_log set seq = -1 where seq = {pair[0]}",
                f"update audit_log set seq = {pair[0]} where seq = {pair[1]}",
                f"update audit_log set seq = {pair[1]} where seq = -1",
            ],
            st.permutations(range(1, ENTRIES + 1)).map(lambda order: order[:2]),
        ),
        st.builds(
            lambda seq: [
                f"update audit_log set seq = -seq - 1 where seq > {seq}",
                "update audit_log set seq = -seq where seq < 0",
                f"insert into audit_log select {seq} + 1, at, 'eve', action, subject, details, previous_hash, hash "
                f"from audit_log where seq = {seq}",
            ],
            st.integers(1, ENTRIES),
        ),
        st.just([f"update audit_head set seq = {ENTRIES - 1}"]),
        st.just(["delete from audit_head"]),
    )
)  # fmt: skip
def test_tampering_with_the_ledger_is_found(file: Path, tampering: list[str]) -> None:
    ledger = Ledger(f"sqlite:///{file}")
    assert verify(ledger) == []
    kept = file.read_bytes()
    with sqlite3.connect(file) as connection:
        for statement in tampering:
            connection.execute(statement)
    connection.close()
    try:
        assert verify(ledger)
        assert broken_links(entries(ledger)) or head(ledger) != entries(ledger)[-1]
    finally:
        ledger.close()
        file.write_bytes(kept)
        for rest in ("-wal", "-shm"):
            file.with_name(file.name + rest).unlink(missing_ok=True)
