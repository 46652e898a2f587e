"""How far a table has been read: positions, their JSON form, and the window between two of them.

Belongs here: the arithmetic of "what is new", the same for databases and APIs. Does not belong here: asking anybody.

A position is the greatest cursor value that was taken, with marks of the rows that have exactly that value: more rows
of the same value may come later, and none may be taken twice or left out.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

Cursor = int | float | Decimal | str | datetime | date

# Past this many rows of one cursor value their marks are not kept, and the next day takes them again: rows come twice
# (the newest load wins behind `raw`), but none is lost and no state grows without bound.
MAX_MARKS = 10_000


@dataclass(frozen=True)
class Position:
    """The greatest cursor value taken, and marks of the rows that have it; empty marks: they were too many."""

    cursor: Cursor
    marks: frozenset[str]

    def to_json(self) -> dict[str, Any]:
        """The form in `_state.json`."""
        return {"cursor": _encode(self.cursor), "marks": sorted(self.marks)}

    @staticmethod
    def from_json(item: dict[str, Any]) -> "Position":
        """The position that `to_json` wrote."""
        return Position(_decode(item["cursor"]), frozenset(item["marks"]))


@dataclass(frozen=True)
class Window:
    """The rows that belong to one load date: after `lower`, up to and with `upper`, and before the time `before`."""

    lower: Position | None
    """Where the day before stood; None takes from the beginning."""
    closed: bool
    """Whether a later day has landed: then this day takes what lies before where that one began, and nothing else."""
    upper: Position | None
    """Where the later day began; with `closed` and None it began at the beginning, and nothing is left for this day."""
    before: datetime | None
    """End of the load date in UTC (exclusive), for a cursor that is a time."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing can lie in it."""
        return self.closed and (self.upper is None or self.upper == self.lower)

    def describe(self) -> str:
        """The window as text, the same in every process."""
        edges = [edge.to_json() if edge else None for edge in (self.lower, self.upper)]
        return json.dumps([edges, self.closed, str(self.before)])

    @property
    def edges(self) -> set[Any]:
        """The cursor values at which single rows are in or out."""
        return {edge.cursor for edge in (self.lower, self.upper) if edge is not None}

    def takes(self, cursor: Any, mark: str) -> bool:
        """Whether a row at the edge of the window is inside. The cursor has the type of the positions' cursors."""
        if cursor is None:
            return True
        if self.lower is not None:
            if cursor < self.lower.cursor:
                return False
            if cursor == self.lower.cursor and mark in self.lower.marks:
                return False
        if self.upper is not None:
            if cursor > self.upper.cursor:
                return False
            if cursor == self.upper.cursor and self.upper.marks and mark not in self.upper.marks:
                return False
        return True


class Tracker:
    """Follows the rows that are taken and says where the table then stands."""

    def __init__(self, start: Position | None, resumed: Position | None = None) -> None:
        position = resumed or start
        self._cursor: Any = position.cursor if position else None
        self._marks = set(position.marks) if position else set()
        self._overflow = position is not None and not position.marks

    def take(self, cursor: Any, mark: str) -> None:
        """A row was taken."""
        if cursor is None:
            return
        if self._cursor is None or cursor > self._cursor:
            self._cursor, self._overflow = cursor, False
            self._marks = {mark}
        elif cursor == self._cursor and not self._overflow:
            self._marks.add(mark)
            if len(self._marks) > MAX_MARKS:
                self._overflow = True
                self._marks = set()

    def cares(self, cursor: Any) -> bool:
        """Whether a row with this cursor value would change anything; what does not need not be marked."""
        if cursor is None:
            return False
        return self._cursor is None or cursor > self._cursor or (cursor == self._cursor and not self._overflow)

    @property
    def position(self) -> Position | None:
        """Where the table stands now; None when no row was ever taken."""
        return None if self._cursor is None else Position(self._cursor, frozenset(self._marks))


def mark_of(values: Iterable[Any] | bytes) -> str:
    """A short digest of a row, by which it is known again and from which nothing of it can be read."""
    if not isinstance(values, bytes):
        values = json.dumps([str(value) if value is not None else None for value in values]).encode()
    return hashlib.blake2b(values, digest_size=12).hexdigest()


def end_of(load_date: date) -> datetime:
    """The first moment that is no longer the load date, in UTC."""
    return datetime.combine(load_date + timedelta(days=1), time(), UTC)


def _encode(value: Cursor) -> Any:
    if isinstance(value, datetime):
        return {"timestamp": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    return value


def _decode(item: Any) -> Cursor:
    if not isinstance(item, dict):
        return item
    ((kind, text),) = item.items()
    if kind == "timestamp":
        return datetime.fromisoformat(text)
    return date.fromisoformat(text) if kind == "date" else Decimal(text)
