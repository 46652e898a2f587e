"""What people allow, entered by hand: appended once, read back at each run.

Belongs here: the answer as a value, appending it with its audit entry, reading. Does not belong here: which purposes and
channels there are, finding a person's records (see `orchestration.privacy.consent`), or which answer holds (dbt's
`fct_consent`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from orchestration.ledger.audit import append, utc_now

if TYPE_CHECKING:
    from orchestration.ledger.store import Ledger

Status = Literal["granted", "withdrawn"]


@dataclass(frozen=True)
class ConsentDecision:
    """One record's answer for a purpose and channel."""

    record_id: str
    customer_id: str | None
    purpose: str
    channel: str
    status: Status
    legal_basis: str
    method: str
    reason: str | None
    occurred_at: datetime
    """When the person answered (naive UTC)."""
    decision_id: int = 0
    """Given by the ledger."""
    decided_by: str = ""
    decided_at: datetime | None = None


def append_consent(ledger: "Ledger", decisions: Sequence[ConsentDecision], *, actor: str) -> list[ConsentDecision]:
    """Append answers and one audit entry `consent.set` that tells of them: all stand or none.

    The entry names purposes, channels and counts, and the decisions by number: no record, no customer, no reason, so that
    erasing the person later leaves the chain whole.

    Returns:
        The decisions as they were kept.

    Raises LedgerError.
    """
    import sqlalchemy as sa

    from orchestration.ledger.tables import consent_decisions

    moment = utc_now()
    kept = []
    with ledger.writing() as connection:
        for decision in decisions:
            done = connection.execute(
                sa.insert(consent_decisions).values(
                    record_id=decision.record_id,
                    customer_id=decision.customer_id,
                    purpose=decision.purpose,
                    channel=decision.channel,
                    status=decision.status,
                    legal_basis=decision.legal_basis,
                    method=decision.method,
                    reason=decision.reason,
                    occurred_at=decision.occurred_at,
                    decided_by=actor,
                    decided_at=moment,
                )
            )
            (number,) = done.inserted_primary_key or (0,)
            kept.append(replace(decision, decision_id=number, decided_by=actor, decided_at=moment))
        answers = sorted({f"{decision.purpose}/{decision.channel}" for decision in decisions})
        append(
            connection,
            actor=actor,
            action="consent.set",
            subject=f"{', '.join(answers)} {' and '.join(sorted({d.status for d in decisions}))}"[:500],
            details={
                "records": len({decision.record_id for decision in decisions}),
                "decision_ids": [decision.decision_id for decision in kept],
            },
            at=moment,
        )
    return kept


def read_consent(ledger: "Ledger", record_ids: Iterable[str] | None = None) -> list[ConsentDecision]:
    """The answers of some records, or of all, in the order in which they were entered. Raises LedgerError."""
    from orchestration.ledger.tables import consent_decisions as table

    rows = ledger.rows_of_records(table, record_ids)
    return [ConsentDecision(**row._mapping) for row in sorted(rows, key=lambda row: row.decision_id)]
