"""Rows in quarantine come out exactly once, corrected or discarded, and stay so through every later load."""

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.ledger.audit import entries, verify
from orchestration.quality.correction_file import Correction, read_corrections
from orchestration.quality.errors import QuarantineError
from orchestration.quality.held import Selection, list_held, show_held
from orchestration.quality.reconciliation import read_reconciliation
from orchestration.quality.replay import discard, replay

sys.path.insert(0, str(Path(__file__).parent))

from quarantine_desk import DAY, FILE, Source, at

EMAIL = "expect_column_values_to_match_regex:email"
BAD = ("1,a@x.org,", "2,no address,", "3,c@x.org,31/02/1990", "4,short", "5,e@x.org,01/02/1990")
GOOD = [("1", "a@x.org", None, 2), ("5", "e@x.org", "1990-02-01", 6)]
HELD = [(3, EMAIL), (4, "type:born"), (5, "malformed_line")]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Source]:
    source = Source(tmp_path)
    source.land(*BAD)
    source.load()
    yield source
    source.con.close()


def _fix(row: int, complete: bool = False, **values: str | None) -> Correction:
    return Correction(at(row), values, complete)


def test_what_is_held_back_is_counted_and_shown(people: Source) -> None:
    assert people.raw() == GOOD
    assert people.held() == HELD
    counts = [(count.table, count.check, count.rows) for count in list_held(people.con)]
    assert counts == [
        ("people__members", EMAIL, 1),
        ("people__members", "malformed_line", 1),
        ("people__members", "type:born", 1),
    ]
    assert list_held(people.con, source="people", load_date=DAY, check="type:born")[0].rows == 1
    assert list_held(people.con, source="peop") == []
    assert list_held(people.con, load_date=date(2026, 1, 6)) == []
    [entry] = show_held(people.con, "raw.people__members", Selection(check="type:born"), 10)
    assert (entry["file"], entry["row"], entry["value"], entry["reason"]) == (
        FILE, 4, "31/02/1990", "born is not a date in the form %d/%m/%Y",
    )  # fmt: skip
    with pytest.raises(QuarantineError, match="people__members"):
        show_held(people.con, "nothing", Selection(), 10)


def test_a_corrected_row_enters_raw_in_its_place_once(people: Source) -> None:
    outcome = replay(people.desk(), Selection(), [_fix(3, email="b@x.org")])
    assert (outcome.decided, outcome.released, outcome.held_before, outcome.held_after) == (1, 1, 3, 2)
    assert people.raw() == sorted([*GOOD, ("2", "b@x.org", None, 3)], key=lambda row: row[3])
    assert people.held() == HELD[1:]


def test_replaying_twice_changes_nothing_but_the_log(people: Source) -> None:
    for _ in range(2):
        outcome = replay(people.desk(), Selection(), [_fix(3, email="b@x.org")])
        assert len(people.raw()) == 3
    assert (outcome.decided, outcome.repeated) == (0, 1)
    assert [entry.action for entry in entries(people.ledger)] == ["quarantine.replay"] * 2


def test_a_correction_that_fails_again_goes_back(people: Source) -> None:
    replay(people.desk(), Selection(), [_fix(3, email="still none"), _fix(4, born="30/02/1990")])
    assert people.held() == HELD
    values = [entry["value"] for entry in show_held(people.con, "people__members", Selection(), 10)]
    assert values[:2] == ["still none", "30/02/1990"]
    replay(people.desk(), Selection(), [_fix(4, born="28/02/1990")])
    assert ("3", "c@x.org", "1990-02-28", 4) in people.raw()


def test_a_malformed_line_needs_its_whole_row(people: Source, tmp_path: Path) -> None:
    with pytest.raises(QuarantineError, match=r"row 5: nothing could be read .* --corrections"):
        replay(people.desk(), Selection(), [_fix(5, id="4")])
    file = tmp_path / "fix.csv"
    file.write_text(f"file,row_number,id,email,born\n{FILE},5,4,d@x.org,\n{FILE},3,,b@x.org,\\N\n")
    replay(people.desk(), Selection(), read_corrections(file))
    assert [row for row in people.raw() if row[3] in (3, 5)] == [("2", "b@x.org", None, 3), ("4", "d@x.org", None, 5)]
    assert people.held() == [HELD[1]]


def test_a_mended_contract_lets_rows_out_without_corrections(people: Source) -> None:
    assert replay(people.desk(), Selection(check=EMAIL)).released == 0
    people.agree("address|@")
    outcome = replay(people.desk(), Selection(check=EMAIL))
    assert (outcome.released, outcome.decided) == (1, 0)
    assert ("2", "no address", None, 3) in people.raw()
    assert len(people.raw()) == 3


def test_a_discarded_row_stays_out_and_leaves_no_content(people: Source) -> None:
    outcome = discard(people.desk(), Selection(check="type:born"), "test data of the vendor")
    assert (outcome.decided, outcome.released) == (1, 0)
    assert people.held() == [HELD[0], HELD[2]]
    assert people.discarded() == [(4, "type:born", "test data of the vendor")]
    assert "31/02/1990" not in str(people.con.execute("from quality.discarded_rows").fetchall())
    assert [count.rows for count in list_held(people.con, check="type:born") if count.check is None] == [1]
    people.load()
    assert people.discarded() == [(4, "type:born", "test data of the vendor")]
    discard(people.desk(), Selection(file=FILE, row=4), "again")
    assert len(people.discarded()) == 1


def test_a_discard_can_be_taken_back_by_naming_the_row(people: Source) -> None:
    discard(people.desk(), Selection(file=FILE, row=4), "wrong")
    replay(people.desk(), Selection(file=FILE, row=4))
    assert people.discarded() == []
    assert people.held() == HELD
    discard(people.desk(), Selection(file=FILE, row=4), "wrong after all")
    assert [row[0] for row in people.discarded()] == [4]


def test_each_decision_is_in_the_audit_log_with_its_reason_and_no_value(people: Source) -> None:
    replay(people.desk(), Selection(), [_fix(3, email="b@x.org")])
    discard(people.desk(), Selection(check="malformed_line"), "vendor's footer")
    first, second = entries(people.ledger)
    assert (first.actor, first.action, first.subject) == ("anna", "quarantine.replay", "raw.people__members")
    assert first.details == {
        "rows": 1, "repeated": 0, "columns": ["email"], "days": [str(DAY)], "places": [f"{FILE}:3"], "decision_ids": [1],
    }  # fmt: skip
    assert second.details["reason"] == "vendor's footer"
    assert "x.org" not in str([first, second])
    assert verify(people.ledger) == []


def test_a_file_sent_again_keeps_decisions_on_the_rows_that_are_the_same(people: Source) -> None:
    replay(people.desk(), Selection(), [_fix(3, email="b@x.org")])
    discard(people.desk(), Selection(check="malformed_line"), "footer")
    people.land("9,new@x.org,", *BAD)
    people.load()
    assert people.raw() == [
        ("9", "new@x.org", None, 2), ("1", "a@x.org", None, 3), ("2", "b@x.org", None, 4), ("5", "e@x.org", "1990-02-01", 7),
    ]  # fmt: skip
    assert people.held() == [(5, "type:born")]
    assert [row[0] for row in people.discarded()] == [6]


def test_a_decision_never_falls_on_another_row_in_the_same_place(people: Source) -> None:
    replay(people.desk(), Selection(), [_fix(3, email="b@x.org")])
    discard(people.desk(), Selection(file=FILE, row=4), "wrong")
    people.land(BAD[0], "7,other,", "8,o@x.org,")
    people.load()
    assert people.held() == [(3, EMAIL)]
    assert people.discarded() == []
    assert [row[0] for row in people.raw()] == ["1", "8"]
    found = people.con.execute("select decision_id, found from quality.row_decisions order by 1").fetchall()
    assert found == [(1, False), (2, False)]


def test_a_row_that_the_source_mended_is_taken_as_it_sent_it(people: Source) -> None:
    replay(people.desk(), Selection(), [_fix(3, email="b@x.org")])
    people.land(*(line.replace("no address", "true@x.org") for line in BAD))
    people.load()
    assert ("2", "true@x.org", None, 3) in people.raw()
    assert [row[0] for row in people.raw()].count("2") == 1


def test_a_warehouse_built_from_nothing_is_the_same(people: Source) -> None:
    replay(people.desk(), Selection(), [_fix(3, email="b@x.org"), _fix(5, True, id="4", email="d@x.org")])
    discard(people.desk(), Selection(check="type:born"), "wrong")
    other = people.rebuilt()
    other.load()
    assert (other.raw(), other.held(), other.discarded()) == (people.raw(), people.held(), people.discarded())
    other.con.close()


def test_a_row_behind_a_discarded_first_of_its_key_comes_out(people: Source) -> None:
    people.land("1,bad,", "1,a@x.org,")
    people.load()
    assert people.held() == [(2, EMAIL), (3, "unique_key")]
    discard(people.desk(), Selection(file=FILE, row=2), "superseded by the next line")
    assert people.raw() == [("1", "a@x.org", None, 3)]


@pytest.mark.parametrize(
    ("correction", "message"),
    [
        (_fix(2, email="x"), "row 2 is not in the quarantine of people__members"),
        (_fix(99, email="x"), "row 99 is not in the quarantine"),
        (_fix(3, mail="x"), "has no column mail; it has id, email, born"),
    ],
)
def test_what_cannot_be_corrected_is_refused_and_nothing_is_written(
    people: Source, correction: Correction, message: str
) -> None:
    with pytest.raises(QuarantineError, match=message):
        replay(people.desk(), Selection(), [_fix(4, born="28/02/1990"), correction])
    assert entries(people.ledger) == []
    assert people.held() == HELD


def test_a_discard_needs_a_reason_and_a_choice(people: Source) -> None:
    with pytest.raises(QuarantineError, match="needs a reason"):
        discard(people.desk(), Selection(check=EMAIL), "  ")
    with pytest.raises(QuarantineError, match="say which rows"):
        discard(people.desk(), Selection(), "all")
    with pytest.raises(QuarantineError, match="is not in the quarantine"):
        discard(people.desk(), Selection(file=FILE, row=2), "a good row")


@pytest.mark.parametrize(
    "text",
    [
        "row_number,email\n3,x\n",
        "file,row_number\nf,3\n",
        "file,row_number,email\nf,three,x\n",
        "file,row_number,email\nf,3\n",
        "file,row_number,email\nf,3,x,y\n",
        "file,row_number,email\nf,3,x\nf,3,y\n",
        "",
    ],
)
def test_a_file_of_corrections_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "fix.csv"
    file.write_text(text)
    with pytest.raises(QuarantineError, match=r"fix\.csv"):
        read_corrections(file)


def test_every_landed_row_is_accounted_for(people: Source) -> None:
    discard(people.desk(), Selection(check="malformed_line"), "footer")
    [account] = read_reconciliation(people.con)
    assert (account.landed, account.loaded, account.quarantined, account.discarded, account.difference) == (
        5,
        2,
        2,
        1,
        0,
    )


def test_a_lost_row_blocks_and_is_counted(people: Source) -> None:
    from expectations.suites import raw_gate
    from orchestration.quality import RunContext
    from orchestration.quality.gate import run_gate_on

    people.con.execute("delete from raw.people__members where id = '5'")
    result = run_gate_on(people.con, raw_gate(people.contract, people.table), RunContext("r", DAY), people.table)
    assert not result.passed
    [check] = [check for check in result.failed_checks if check.blocks]
    assert check.expectation == "reconciliation:rows"
    assert "1 rows are nowhere" in check.message
    assert read_reconciliation(people.con, DAY)[0].difference == 1


DAYS = (date(2026, 1, 5), date(2026, 1, 6))
LINES = ("{n},ok@x.org,", "{n},bad,", "{n},ok@x.org,99/99/1990", "{n},short", "0,twice@x.org,")


@st.composite
def _steps(draw: st.DrawFn) -> tuple:
    day = draw(st.sampled_from(DAYS))
    kind = draw(st.sampled_from(("land", "load", "replay", "correct", "discard")))
    if kind == "land":
        return kind, day, draw(st.lists(st.integers(0, len(LINES) - 1), min_size=1, max_size=5))
    if kind == "correct":
        return kind, day, draw(st.integers(0, 5)), draw(st.booleans())
    return kind, day, draw(st.integers(0, 5))


@settings(max_examples=12, deadline=None)
@given(steps=st.lists(_steps(), min_size=3, max_size=7))
def test_each_landed_row_is_in_exactly_one_place(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple]) -> None:
    people = Source(tmp_path_factory.mktemp("people"))
    landed: dict[date, int] = {}
    for day in DAYS:
        people.land(*(line.format(n=n) for n, line in enumerate(LINES)), day=day)
        landed[day] = len(LINES)
        people.load(day)
    for kind, day, *details in steps:
        held = people.con.execute(
            "select distinct row_number from quarantine.people__members where load_date = ? order by 1", [day]
        ).fetchall()
        row = held[details[0] % len(held)][0] if held and kind in ("correct", "discard") else None
        if kind == "land":
            people.land(*(LINES[choice].format(n=n) for n, choice in enumerate(details[0])), day=day)
            landed[day] = len(details[0])
            people.load(day)
        elif kind == "load":
            people.load(day)
        elif kind == "replay":
            replay(people.desk(), Selection(load_date=day))
        elif row and kind == "correct":
            values = {"id": f"c{row}", "email": "c@x.org" if details[1] else "bad", "born": None}
            replay(people.desk(), Selection(), [Correction(at(row, day), values, complete=True)])
        elif row:
            discard(people.desk(), Selection(file=at(row, day).file, row=row), "drawn")
    places = people.con.execute(
        """
        select _load_date as day, _row as row_number, 'raw' from raw.people__members
        union all
        (select distinct load_date, row_number, 'held' from quarantine.people__members)
        union all
        select load_date, row_number, 'discarded' from quality.discarded_rows
        """
    ).fetchall()
    assert sorted((day, row) for day, row, _ in places) == [
        (day, row + 2) for day in DAYS for row in range(landed[day])
    ]
    assert [account.difference for account in read_reconciliation(people.con)] == [0, 0]
    assert verify(people.ledger) == []
    other = people.rebuilt()
    for day in reversed(DAYS):
        other.load(day)
    assert (other.raw(), other.held(), other.discarded()) == (people.raw(), people.held(), people.discarded())
    other.con.close()
    people.con.close()
