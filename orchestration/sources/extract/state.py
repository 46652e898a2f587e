"""What a landed day remembers of its extraction (`_state.json`), and the days around it.

Belongs here: reading and writing the state files of landing, and the chain that they form. Does not belong here: what
a connector does with them.

The state of a source is nothing but the chain of its landed days: each says from where to where it read. Delete a day
and it can be taken again; delete all, and the source is read from the beginning. No state lies anywhere else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestration.sources.contract import Contract, Table
from orchestration.sources.extract.errors import ExtractError
from orchestration.sources.extract.position import Position, Window, end_of
from orchestration.sources.landed import read_bytes, write_whole

STATE_FILE = "_state.json"
COMPLETE_MARKER = "_SUCCESS"
_VERSION = 1
# Cursors of these types say which day a row belongs to.
TIMES = ("timestamp", "date")


@dataclass(frozen=True)
class TableState:
    """One table's part of a landed day."""

    cursor: str | None
    """The column that the positions are of; they say nothing about another one."""
    start: Position | None
    end: Position | None
    rows: int
    left_out: tuple[str, ...] = ()
    """Columns of the source that the contract does not describe, and that were not taken."""


@dataclass(frozen=True)
class DayState:
    """What one landed day took: positions of tables that were asked, or names and versions of files that were copied."""

    tables: Mapping[str, TableState] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    """Every file of the place that this or an earlier day took and that is still there: name to version."""
    taken: frozenset[str] = frozenset()
    """The names among them that this day took."""

    @property
    def seen_before(self) -> dict[str, str]:
        """What had been taken when this day began."""
        return {name: version for name, version in self.seen.items() if name not in self.taken}

    def write(self, folder: Path) -> None:
        """Put the state beside the day's files."""
        content: dict[str, Any] = {"version": _VERSION}
        if self.tables:
            content["tables"] = {
                name: {
                    "cursor": table.cursor,
                    "from": table.start.to_json() if table.start else None,
                    "to": table.end.to_json() if table.end else None,
                    "rows": table.rows,
                    "left_out": list(table.left_out),
                }
                for name, table in sorted(self.tables.items())
            }
        else:
            content["seen"] = dict(sorted(self.seen.items()))
            content["taken"] = sorted(self.taken)
        write_json(folder / STATE_FILE, content)


@dataclass(frozen=True)
class Around:
    """The days of the source that have landed with a state next before and next after a load date."""

    load_date: date
    previous: DayState | None
    following: DayState | None
    now: datetime

    @property
    def is_past(self) -> bool:
        """Whether the source's state of that day is gone. Yesterday counts as present: daily runs follow midnight."""
        return self.load_date < self.now.astimezone(UTC).date() - timedelta(days=1)

    def window(self, table: Table) -> Window:
        """Which rows of the table belong to the load date."""
        origin = table.origin
        if origin is None or origin.cursor is None:
            return Window(None, closed=False, upper=None, before=None)
        earlier, later = (
            _part(self.previous, table.name, origin.cursor),
            _part(self.following, table.name, origin.cursor),
        )
        before = earlier.end if earlier else None
        is_time = origin.cursor_type in TIMES
        if later is not None:
            return Window(before, closed=True, upper=later.start, before=end_of(self.load_date) if is_time else None)
        if self.is_past and not is_time:
            # A number does not say which day it belongs to: what is new now is not handed to a day long gone.
            return Window(before, closed=True, upper=before, before=None)
        return Window(before, closed=False, upper=None, before=end_of(self.load_date) if is_time else None)


def around(contract: Contract, load_date: date, landing: Path, now: datetime) -> Around:
    """Find the neighbours of a day in the source's landing. Raises ExtractError for a state that cannot be read."""
    days = sorted(
        (day, folder)
        for folder in (landing / contract.source).glob("*")
        if (folder / STATE_FILE).is_file() and (day := _as_date(folder.name)) is not None and day != load_date
    )
    earlier = [folder for day, folder in days if day < load_date]
    later = [folder for day, folder in days if day > load_date]
    return Around(
        load_date,
        read_state(earlier[-1]) if earlier else None,
        read_state(later[0]) if later else None,
        now,
    )


def read_state(folder: Path) -> DayState:
    """The state beside a landed day. Raises ExtractError when it cannot be read."""
    path = folder / STATE_FILE
    try:
        content = json.loads(read_bytes(path))
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']}")
        return DayState(
            tables={
                name: TableState(
                    cursor=item["cursor"],
                    start=Position.from_json(item["from"]) if item["from"] else None,
                    end=Position.from_json(item["to"]) if item["to"] else None,
                    rows=item["rows"],
                    left_out=tuple(item["left_out"]),
                )
                for name, item in content.get("tables", {}).items()
            },
            seen=content.get("seen", {}),
            taken=frozenset(content.get("taken", ())),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExtractError(
            f"{folder.parent.name}/{folder.name}/{STATE_FILE} cannot be read ({error}). Restore it, or delete that day's "
            "folder so that the day is taken again."
        ) from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file as a whole: a reader sees the old one or the new one."""
    write_whole(path, json.dumps(content, ensure_ascii=False, indent=1).encode())


def _part(state: DayState | None, table: str, cursor: str) -> TableState | None:
    """The table's part of a day, unless the contract had another cursor then: the table is then read from its beginning."""
    found = state.tables.get(table) if state else None
    return found if found is not None and found.cursor == cursor else None


def _as_date(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
