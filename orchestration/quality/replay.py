"""Rows in quarantine as people work on them: look, correct and replay, discard.

Belongs here: choosing rows, checking what a person asks, writing it to the ledger, and taking the day through the same
gate again. Does not belong here: how a decision changes a landed row (see `orchestration.sources.corrections`), the
command line, and how a gate judges.

A replay loads the day anew from landing and the ledger and gates it. So whatever a replay gives, a warehouse that is
built from nothing gives too, and a second replay changes nothing.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.ledger.decisions import Kind, RowDecision, append_decisions, decisions_of, read_decisions
from orchestration.ledger.store import Ledger, current_actor
from orchestration.privacy.suppression import gatekeeper
from orchestration.quality.correction_file import Correction
from orchestration.quality.decided import Place, ensure_decided_tables
from orchestration.quality.errors import QuarantineError
from orchestration.quality.held import HeldRow, Selection, decided_rows, discarded_rows, held_rows
from orchestration.quality.quarantine import ensure_quarantine_table
from orchestration.quality.results import GateResult, RunContext
from orchestration.sources.contract import Contract, Table
from orchestration.sources.corrections import fits, row_hashes
from orchestration.sources.deliveries import delivered_files
from orchestration.sources.load import LANDED, landed_day, load_day

if TYPE_CHECKING:
    import duckdb

    from orchestration.privacy.suppression import Gatekeeper
    from orchestration.project import Project


@dataclass(frozen=True)
class Outcome:
    """What a replay or discard came to, over the days that it touched."""

    table: str
    days: tuple[date, ...]
    decided: int
    """Decisions written to the ledger."""
    repeated: int
    """Decisions that stand there already: nothing was written for them."""
    held_before: int
    held_after: int
    released: int
    """Rows that were in quarantine and are in `raw` now."""
    gates: tuple[GateResult, ...]


@dataclass(frozen=True)
class Desk:
    """One raw table with all that work on its quarantine needs. The warehouse is open and nobody else's."""

    con: "duckdb.DuckDBPyConnection"
    ledger: Ledger
    contract: Contract
    table: Table
    landing: Path
    actor: str
    keeper: "Gatekeeper | None" = None

    @property
    def name(self) -> str:
        """The table without its schema."""
        return self.table.raw_name


@contextmanager
def open_desk(project: "Project", table: str) -> Iterator[Desk]:
    """Open the warehouse for work on a raw table's quarantine.

    Raises:
        QuarantineError: the table is not one that a source delivers.
        WarehouseLockedError: a run is going on.
    """
    name = table.removeprefix("raw.").removeprefix("quarantine.")
    known = {found.raw_name: (contract, found) for contract, found in project.tables}
    if name not in known:
        raise QuarantineError(
            f"{table!r} is no table that an active source delivers; those are {', '.join(sorted(known))}. Rows held "
            "back further on come from these: correct the raw row's source, or ask for it to be sent again"
        )
    with project.exclusive(), project.warehouse() as con:
        ensure_quarantine_table(con, name)
        ensure_decided_tables(con)
        yield Desk(
            con,
            Ledger.of(project.settings),
            *known[name],
            project.settings.landing,
            current_actor(),
            gatekeeper(project),
        )


def replay(desk: Desk, selection: Selection, corrections: Sequence[Correction] = ()) -> Outcome:
    """Take rows in again through the gate: with corrections those rows, without them the selected days as they stand.

    A row that was discarded is taken in again when it is selected by file and row.

    Raises:
        QuarantineError: a correction names a row that is not held back, or a column or value that cannot be.
        DeliveryError: the landed files cannot be read.
    """
    held = held_rows(desk.con, desk.name, selection)
    if corrections:
        wanted = {correction.place: correction for correction in corrections}
        rows = _rows_to_decide(desk, selection, list(wanted))
    else:
        wanted = {}
        rows = discarded_rows(desk.con, desk.name, selection) if selection.row is not None else []
        if selection.row is not None and not held and not rows:
            raise _not_held(desk, Place(selection.file or "", selection.row))
    new, repeated = _decisions(desk, "replay", rows, wanted, None)
    days = sorted({row.load_date for row in [*held, *rows]}) if not corrections else sorted({r.load_date for r in rows})
    columns = sorted({name for correction in corrections for name in correction.values})
    told = {"rows": len(new), "repeated": repeated, "columns": columns}
    return _carry_out(desk, "quarantine.replay", days, selection, new, repeated, told)


def discard(desk: Desk, selection: Selection, reason: str) -> Outcome:
    """Leave the selected rows out for good, for a reason that goes to the audit log.

    Raises:
        QuarantineError: no reason, nothing that narrows the selection, or a row that is not held back.
        DeliveryError: the landed files cannot be read.
    """
    if not reason.strip():
        raise QuarantineError("a discard needs a reason; it is kept in the audit log")
    if selection.is_everything:
        raise QuarantineError(f"say which rows of {desk.name} to discard: by day, check, or file and row")
    rows = held_rows(desk.con, desk.name, selection)
    if not rows and selection.row is not None and not discarded_rows(desk.con, desk.name, selection):
        raise _not_held(desk, Place(selection.file or "", selection.row))
    new, repeated = _decisions(desk, "discard", rows, {}, reason.strip())
    days = sorted({row.load_date for row in rows})
    told = {"rows": len(new), "reason": reason.strip()}
    return _carry_out(desk, "quarantine.discard", days, selection, new, repeated, told)


def _carry_out(
    desk: Desk,
    action: str,
    days: Sequence[date],
    selection: Selection,
    new: Sequence[RowDecision],
    repeated: int,
    told: Mapping[str, Any],
) -> Outcome:
    """Write the decisions down, then make the days anew from landing and the ledger."""
    if not days:
        return Outcome(desk.name, (), 0, repeated, 0, 0, 0, ())
    before = {(row.load_date, row.place) for row in held_rows(desk.con, desk.name, Selection())}
    details = {
        **told,
        "days": [day.isoformat() for day in days],
        **({"check": selection.check} if selection.check else {}),
        **({"places": [f"{decision.file}:{decision.row}" for decision in new]} if new else {}),
    }
    append_decisions(desk.ledger, new, actor=desk.actor, action=action, subject=f"raw.{desk.name}", details=details)
    gates = _load_and_gate(desk, days)
    after = {(row.load_date, row.place) for row in held_rows(desk.con, desk.name, Selection())}
    gone = {(row.load_date, row.place) for row in discarded_rows(desk.con, desk.name, Selection())}
    return Outcome(
        table=desk.name,
        days=tuple(days),
        decided=len(new),
        repeated=repeated,
        held_before=len(before),
        held_after=len(after),
        released=len(before - after - gone),
        gates=gates,
    )


def _load_and_gate(desk: Desk, days: Sequence[date]) -> tuple[GateResult, ...]:
    from expectations.suites import raw_gate
    from orchestration.quality.gate import run_gate_on
    from orchestration.quality.history import days_loaded_by

    run_id = f"quarantine-{uuid.uuid4()}"
    decisions = decisions_of(desk.ledger)
    for day in days:
        load_day(desk.con, desk.contract, desk.table, day, desk.landing, run_id, decisions, desk.keeper, force=True)
    # A contract whose columns changed has had every day of the table loaded again.
    gate = raw_gate(desk.contract, desk.table)
    touched = days_loaded_by(desk.con, gate.name, RunContext(run_id, days[0]))
    return tuple(run_gate_on(desk.con, gate, RunContext(run_id, day), desk.table) for day in touched)


def _decisions(
    desk: Desk, kind: Kind, rows: Sequence[HeldRow], wanted: Mapping[Place, Correction], reason: str | None
) -> tuple[list[RowDecision], int]:
    """The decisions that are new, and how many stand in the ledger already."""
    new: list[RowDecision] = []
    repeated = 0
    for day in sorted({row.load_date for row in rows}):
        of_day = [row for row in rows if row.load_date == day]
        files = delivered_files(desk.contract, desk.table, day, desk.landing)
        with landed_day(desk.con, desk.contract, desk.table, desk.landing, files):
            hashes = row_hashes(desk.con, desk.table, LANDED, [row.place for row in of_day])
            for row in of_day:
                if row.place not in hashes:
                    raise QuarantineError(
                        f"{row.place.file} row {row.place.row} is no longer there: the file has changed since it was "
                        f"loaded. Run {day} again first"
                    )
                values = _checked_values(desk, row, wanted.get(row.place), hashes[row.place][0])
                decision = RowDecision(
                    desk.name, day, row.place.file, row.place.row, kind, values, reason, row.checks, *hashes[row.place]
                )
                if _stands(desk, decision):
                    repeated += 1
                else:
                    new.append(decision)
    return new, repeated


def _checked_values(
    desk: Desk, row: HeldRow, correction: Correction | None, seen: Sequence[str]
) -> dict[str, str | None] | None:
    if correction is None:
        return None
    where = f"{row.place.file} row {row.place.row}"
    columns = [column.name for column in desk.table.columns]
    unknown = [name for name in correction.values if name not in columns]
    if unknown:
        raise QuarantineError(f"{where}: {desk.name} has no column {', '.join(unknown)}; it has {', '.join(columns)}")
    values = dict(correction.values)
    if not seen:
        if not correction.complete:
            raise QuarantineError(
                f"{where}: nothing could be read of this line, so the whole row is needed: give it with --corrections"
            )
        values = {name: values.get(name) for name in columns}
    for name, value in values.items():
        if not fits(desk.con, LANDED, name, value):
            raise QuarantineError(f"{where}: {value!r} is no value for {name}; write it as {_kind(desk, name)}")
    return values


def _kind(desk: Desk, name: str) -> str:
    return next(column.type for column in desk.table.columns if column.name == name)


def _stands(desk: Desk, decision: RowDecision) -> bool:
    """Whether the ledger's decisions about this very row already come to this one."""
    earlier = [
        other
        for other in read_decisions(desk.ledger, desk.name, decision.load_date)
        if (other.file, other.row, other.seen_hash) == (decision.file, decision.row, decision.seen_hash)
    ]
    if not earlier or earlier[-1].kind != decision.kind:
        return False
    if decision.kind == "discard":
        return True
    known: dict[str, str | None] = {}
    for other in earlier:
        known |= other.corrections or {}
    wanted = decision.corrections or {}
    return all(name in known and known[name] == value for name, value in wanted.items())


def _rows_to_decide(desk: Desk, selection: Selection, places: Sequence[Place]) -> list[HeldRow]:
    """The rows at the places: held back, or decided on before. Raises QuarantineError for any other."""
    narrowed = Selection(load_date=selection.load_date)
    known = {row.place: row for row in decided_rows(desk.con, desk.name, narrowed)}
    known |= {row.place: row for row in held_rows(desk.con, desk.name, narrowed)}
    for place in places:
        if place not in known:
            raise _not_held(desk, place)
    return [known[place] for place in places]


def _not_held(desk: Desk, place: Place) -> QuarantineError:
    return QuarantineError(
        f"{place.file} row {place.row} is not in the quarantine of {desk.name}; "
        f"`kindred quarantine show {desk.name}` lists what is"
    )
