"""Whose data may not be used for marketing or profiling: restrictions and objections, and releases from them.

Belongs here: the decision as a value, appending it with its audit entry, reading. Does not belong here: finding a
person's records (see `orchestration.privacy.restriction`), or what follows for the marts (dbt's `fct_restriction`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from orchestration.ledger.audit import append, utc_now

if TYPE_CHECKING:
    from orchestration.ledger.store import Ledger

Status = Literal["restricted", "lifted"]
ACTIONS: dict[Status, str] = {"restricted": "restriction.set", "lifted": "restriction.lift"}
ALL_PURPOSES = "all"


@dataclass(frozen=True)
class RestrictionDecision:
    """One record restricted or released, for a purpose or for all."""

    record_id: str
    customer_id: str | None
    purpose: str
    """A purpose, or `all`."""
    status: Status
    reason: str | None
    decision_id: int = 0
    """Given by the ledger."""
    decided_by: str = ""
    decided_at: datetime | None = None


def append_restrictions(
    ledger: "Ledger", decisions: Sequence[RestrictionDecision], *, actor: str
) -> list[RestrictionDecision]:
    """Append decisions of one status and the audit entry that tells of them, without naming anybody.

    Returns:
        The decisions as they were kept.

    Raises LedgerError.
    """
    import sqlalchemy as sa

    from orchestration.ledger.tables import restriction_decisions

    moment = utc_now()
    kept = []
    (status,) = {decision.status for decision in decisions}
    with ledger.writing() as connection:
        for decision in decisions:
            done = connection.execute(
                sa.insert(restriction_decisions).values(
                    record_id=decision.record_id,
                    customer_id=decision.customer_id,
                    purpose=decision.purpose,
                    status=decision.status,
                    reason=decision.reason,
                    decided_by=actor,
                    decided_at=moment,
                )
            )
            (number,) = done.inserted_primary_key or (0,)
            kept.append(replace(decision, decision_id=number, decided_by=actor, decided_at=moment))
        append(
            connection,
            actor=actor,
            action=ACTIONS[status],
            subject=", ".join(sorted({decision.purpose for decision in decisions})),
            details={
                "records": len({decision.record_id for decision in decisions}),
                "decision_ids": [decision.decision_id for decision in kept],
            },
            at=moment,
        )
    return kept


def read_restrictions(ledger: "Ledger", record_ids: Iterable[str] | None = None) -> list[RestrictionDecision]:
    """The decisions on some records, or on all, in the order in which they were made. Raises LedgerError."""
    from orchestration.ledger.tables import restriction_decisions as table

    rows = ledger.rows_of_records(table, record_ids)
    return [RestrictionDecision(**row._mapping) for row in sorted(rows, key=lambda row: row.decision_id)]
