"""Windows part any rows into days: each exactly once, whatever the order of taking and however often."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.sources.compressed import matches
from orchestration.sources.extract import position as positions
from orchestration.sources.extract.position import Position, Tracker, Window, mark_of


def take(rows: list[tuple[int, int]], window: Window) -> tuple[list[tuple[int, int]], Position | None]:
    """What a connector takes of (cursor, key) rows."""
    if window.is_empty:
        return [], window.lower
    tracker, taken = Tracker(window.lower), []
    for cursor, key in rows:
        if window.takes(cursor, mark_of([cursor, key])):
            tracker.take(cursor, mark_of([cursor, key]))
            taken.append((cursor, key))
    return taken, tracker.position


@given(
    batches=st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=5),
    again=st.lists(st.integers(0, 4), max_size=6),
)
def test_rows_that_come_in_order_of_their_cursor_are_taken_exactly_once(
    batches: list[list[int]], again: list[int]
) -> None:
    table: list[tuple[int, int]] = []
    days: list[tuple[list[tuple[int, int]], Position | None, Position | None]] = []
    low = 0
    for batch in batches:
        for step in sorted(batch):
            table.append((low + step, len(table)))
        low = max([cursor for cursor, _ in table], default=0)
        start = days[-1][2] if days else None
        taken, end = take(table, Window(start, closed=False, upper=None, before=None))
        days.append((taken, start, end))
    assert sorted(row for taken, _, _ in days for row in taken) == table
    for n in again:
        if n < len(days) - 1:
            before, start, _ = days[n]
            assert take(table, Window(start, closed=True, upper=days[n + 1][1], before=None))[0] == before


def test_marks_that_are_too_many_cost_repeats_and_never_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "MAX_MARKS", 3)
    rows = [(1, key) for key in range(10)]
    taken, end = take(rows, Window(None, closed=False, upper=None, before=None))
    assert end == Position(1, frozenset())
    assert len(taken) == 10
    following, _ = take([*rows, (1, 10)], Window(end, closed=False, upper=None, before=None))
    assert (1, 10) in following


@pytest.mark.parametrize(
    "cursor", [5, 1.5, "x", Decimal("1.10"), date(2026, 1, 5), datetime(2026, 1, 5, 1, 2, 3, 4, UTC)]
)
def test_a_position_survives_its_file(cursor: positions.Cursor) -> None:
    position = Position(cursor, frozenset({"b", "a"}))
    again = Position.from_json(position.to_json())
    assert again == position
    assert type(again.cursor) is type(cursor)


@pytest.mark.parametrize(
    ("name", "glob", "expected"),
    [
        ("people_1.csv", "people*.csv", True),
        ("people_1.csv.gz", "people*.csv", True),
        ("people_1.csv.bz2", "people*.csv", False),
        ("eu/people.csv", "people.csv", False),
        ("eu/people.csv", "*/people.csv", True),
        ("a/b/people.csv.zst", "**/people.csv", True),
        ("people.csv", "**/people.csv", True),
    ],
)
def test_globs_find_what_landing_finds(name: str, glob: str, expected: bool) -> None:
    assert matches(name, glob) is expected
