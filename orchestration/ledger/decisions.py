"""What people decided about rows in quarantine: appended once, read back for each load of their day.

Belongs here: the decision as a value, appending with its audit entry, reading. Does not belong here: finding the row
again in landed files and applying the decision (see `orchestration.sources.corrections`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from orchestration.ledger.audit import append, utc_now

if TYPE_CHECKING:
    from orchestration.ledger.store import Ledger

Kind = Literal["replay", "discard"]


@dataclass(frozen=True)
class RowDecision:
    """A person's decision about one landed row of a table.

    Decisions about one row add up in their order: each replay's corrections stand beside the earlier ones and win over
    them, a discard takes the row out, and a replay after it takes it in again.
    """

    table: str
    """Without its schema: `crm__contacts`."""
    load_date: date
    file: str
    """Relative to the landing folder."""
    row: int
    kind: Kind
    corrections: Mapping[str, str | None] | None
    """Column to the text it should have had in the file; None for no value."""
    reason: str | None
    checks: tuple[str, ...]
    """The checks that the row had failed."""
    seen_columns: tuple[str, ...]
    seen_hash: str
    """SHA-256 of the landed text of the seen columns: says whether a later file has the same row there."""
    decision_id: int = 0
    """Given by the ledger."""
    decided_by: str = ""
    decided_at: datetime | None = None


Decisions = Callable[[str, date], Sequence[RowDecision]]
"""Looks up the decisions about a table's day, in the order in which they were made."""


def no_decisions(table: str, load_date: date) -> Sequence[RowDecision]:
    """Nobody decided anything."""
    return ()


def append_decisions(
    ledger: "Ledger",
    decisions: Sequence[RowDecision],
    *,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any],
    at: datetime | None = None,
) -> None:
    """Append decisions and the one audit entry that tells of them: both stand or neither.

    Args:
        details: for the audit entry: no personal values. The decisions' ids are added.

    Raises LedgerError.
    """
    import sqlalchemy as sa

    from orchestration.ledger.tables import quarantine_decisions

    moment = at or utc_now()
    with ledger.writing() as connection:
        ids = []
        for decision in decisions:
            done = connection.execute(
                sa.insert(quarantine_decisions).values(
                    table_name=decision.table,
                    load_date=decision.load_date,
                    file=decision.file,
                    row_number=decision.row,
                    kind=decision.kind,
                    corrections=dict(decision.corrections) if decision.corrections is not None else None,
                    reason=decision.reason,
                    decided_by=actor,
                    decided_at=moment,
                    checks=list(decision.checks),
                    seen_columns=list(decision.seen_columns),
                    seen_hash=decision.seen_hash,
                )
            )
            ids += list(done.inserted_primary_key or ())
        told = {**details, "decision_ids": ids} if ids else details
        append(connection, actor=actor, action=action, subject=subject, details=told, at=moment)


def decisions_of(ledger: "Ledger") -> Decisions:
    """The lookup over a ledger. Each call reads it anew. Raises LedgerError when called."""

    def look_up(table: str, load_date: date) -> Sequence[RowDecision]:
        return read_decisions(ledger, table, load_date)

    return look_up


def read_decisions(ledger: "Ledger", table: str, load_date: date | None = None) -> tuple[RowDecision, ...]:
    """The decisions about a table, of one day or of all, in the order in which they were made. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import quarantine_decisions

    wanted = sa.select(quarantine_decisions).where(quarantine_decisions.c.table_name == table)
    if load_date is not None:
        wanted = wanted.where(quarantine_decisions.c.load_date == load_date)
    with ledger.reading() as connection:
        if connection is None:
            return ()
        rows = connection.execute(wanted.order_by(quarantine_decisions.c.decision_id)).all()
    return tuple(
        RowDecision(
            table=row.table_name,
            load_date=row.load_date,
            file=row.file,
            row=row.row_number,
            kind=row.kind,
            corrections=row.corrections,
            reason=row.reason,
            checks=tuple(row.checks),
            seen_columns=tuple(row.seen_columns),
            seen_hash=row.seen_hash,
            decision_id=row.decision_id,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
        )
        for row in rows
    )
