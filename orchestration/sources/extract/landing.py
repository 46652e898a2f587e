"""Landing a day of a source that is asked: written beside, swapped in as a whole, taken once.

Belongs here: when a day is taken, by which connector, and how it comes to lie in landing. Does not belong here: how a
kind of server is asked.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from orchestration.sources.contract import Contract
from orchestration.sources.extract.environment import Environment
from orchestration.sources.extract.errors import ExtractError
from orchestration.sources.extract.progress import Progress
from orchestration.sources.extract.state import (
    COMPLETE_MARKER,
    STATE_FILE,
    TIMES,
    Around,
    DayState,
    around,
    read_state,
)
from orchestration.sources.servers import ApiServer, LocalServer, S3Server, SqlServer


@dataclass(frozen=True)
class LandedDay:
    """What `land_day` found or did."""

    source: str
    load_date: date
    extracted: bool
    """The source was asked now."""
    files: tuple[str, ...]
    rows: int | None
    """Rows taken; None where files were copied as they are."""
    note: str
    """Why nothing was taken, or what was left out; empty when there is nothing to say."""


def is_asked(contract: Contract) -> bool:
    """Whether Kindred itself takes the source's data. Otherwise others put files into landing."""
    server = contract.server
    return isinstance(server, S3Server | SqlServer | ApiServer) or (
        isinstance(server, LocalServer) and server.folder is not None
    )


def can_take(contract: Contract, load_date: date, *, now: datetime | None = None) -> bool:
    """Whether the source's server can still be asked what belongs to a load date that is today or past.

    Files can, by their dated folder or by their time of change, and rows whose cursor is a time. A snapshot says only what
    a table holds now, and a cursor that is a number says nothing of days: those are taken for today and yesterday only.
    """
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    if not is_asked(contract) or load_date > today:
        return False
    if load_date >= today - timedelta(days=1) or isinstance(contract.server, S3Server | LocalServer):
        return True
    cursors = [table.origin.cursor_type for table in contract.tables if table.origin and table.origin.cursor]
    return contract.delivery == "delta" and any(kind in TIMES for kind in cursors)


def land_day(
    contract: Contract,
    load_date: date,
    landing: Path,
    *,
    again: bool = False,
    now: datetime | None = None,
    environment: Environment | None = None,
) -> LandedDay:
    """Take what is new for a load date from the source's server to `landing/<source>/<YYYY-MM-DD>/`.

    A day that has landed is left as it is; `again` takes it anew, from where the day before stood to where the day after
    began. Files that others put there are never touched. The whole day appears at once; when taking it fails nothing
    has landed, and pages of an API and copied files that came so far are kept for the next attempt.

    Args:
        now: the present moment, aware; for tests.
        environment: where credentials are looked up; the process's environment by default.

    Raises:
        ExtractError: the source cannot be taken; its subclass says whether another attempt may do.
    """
    now = now or datetime.now(UTC)
    day = landing / contract.source / load_date.isoformat()
    if not is_asked(contract):
        return LandedDay(contract.source, load_date, False, (), None, "files are delivered, nobody is asked")
    _recover(day)
    if (day / STATE_FILE).is_file() and (day / COMPLETE_MARKER).is_file():
        if not again:
            return _as_landed(contract, load_date, day, extracted=False)
    elif day.is_dir() and any(path.name[0] not in "._" for path in day.iterdir()):
        if again:
            raise ExtractError(
                f"{contract.source}/{load_date}: the files there were put by others and are not replaced. "
                "Move them away to have the day taken from the source."
            )
        return LandedDay(contract.source, load_date, False, _files(day), None, "files were put there by others")
    if load_date > now.astimezone(UTC).date() + timedelta(days=1):
        raise ExtractError(f"{contract.source}: {load_date} lies in the future; nothing can be taken for it yet")
    neighbours = around(contract, load_date, landing, now)
    is_snapshot = contract.delivery == "snapshot" and isinstance(contract.server, SqlServer | ApiServer)
    if is_snapshot and (neighbours.is_past or neighbours.following is not None):
        note = f"what the whole table held on {load_date} can no longer be asked"
        return LandedDay(contract.source, load_date, False, (), None, note)
    partial = day.with_name(f".{day.name}.partial")
    state = _take(contract, neighbours, partial, environment)
    if state is None:
        shutil.rmtree(partial, ignore_errors=True)
        return LandedDay(contract.source, load_date, False, (), None, "nothing is there for this day yet")
    _swap_in(partial, day, state)
    return _as_landed(contract, load_date, day, extracted=True)


def _take(contract: Contract, days: Around, partial: Path, environment: Environment | None) -> DayState | None:
    """Let the connector of the server's kind fill the partial folder. None when there is nothing to land."""
    windows = {table.name: days.window(table) for table in contract.tables}
    server = contract.server
    described = [
        contract.fingerprint_text,
        *(f"{name} {window.describe()}" for name, window in sorted(windows.items())),
    ]
    key = hashlib.sha256("\n".join(described).encode()).hexdigest()
    progress = Progress.open(partial, key)
    if isinstance(server, SqlServer):
        from orchestration.sources.extract.sql import take_tables

        return take_tables(contract, server, windows, partial, environment)
    if isinstance(server, ApiServer):
        from orchestration.sources.extract.rest import take_endpoints

        return take_endpoints(contract, server, windows, partial, progress, environment)
    from orchestration.sources.extract.files import take_files

    return take_files(contract, days, partial, progress, environment)


def _swap_in(partial: Path, day: Path, state: DayState) -> None:
    Progress.remove(partial)
    state.write(partial)
    (partial / COMPLETE_MARKER).touch()
    for path in partial.rglob("*"):
        # The mark of completeness must not outlive, in a power cut, what it is put on.
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    replaced = _replaced(day)
    if day.exists():
        day.rename(replaced)
    partial.rename(day)
    shutil.rmtree(replaced, ignore_errors=True)


def _recover(day: Path) -> None:
    """Put back, or clear away, what a swap that was cut off left behind."""
    replaced = _replaced(day)
    if replaced.exists() and not day.exists():
        replaced.rename(day)
    shutil.rmtree(replaced, ignore_errors=True)


def _replaced(day: Path) -> Path:
    return day.with_name(f".{day.name}.replaced")


def _files(day: Path) -> tuple[str, ...]:
    return tuple(
        sorted(
            path.relative_to(day).as_posix() for path in day.rglob("*") if path.is_file() and path.name[0] not in "._"
        )
    )


def _as_landed(contract: Contract, load_date: date, day: Path, *, extracted: bool) -> LandedDay:
    state = read_state(day)
    left_out = {name: table.left_out for name, table in state.tables.items() if table.left_out}
    note = "; ".join(f"{name}: left out {', '.join(columns)}" for name, columns in sorted(left_out.items()))
    rows = sum(table.rows for table in state.tables.values()) if state.tables else None
    return LandedDay(contract.source, load_date, extracted, _files(day), rows, note)
