"""Requests of people and how far each has come: appended with their audit entries, never edited.

Belongs here: opening a request, recording its steps, reading both. Does not belong here: personal values (a request knows
its people by keyed hashes only) and what a step does (see `orchestration.privacy`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from orchestration.ledger.audit import append, utc_now

if TYPE_CHECKING:
    from orchestration.ledger.store import Ledger

Kind = Literal["erasure", "access", "retention"]
COMPLETE = "complete"


@dataclass(frozen=True)
class PrivacyRequest:
    """One request, with the steps done for it."""

    request_id: str
    kind: Kind
    requested_at: datetime
    """Naive UTC."""
    requested_by: str
    people: int
    selectors: tuple[str, ...]
    """Keyed hashes of what the people were named by."""
    steps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Step to its details; the latest when a step was done twice."""
    completed_at: datetime | None = None


def counted(kind: str) -> str:
    """What a request's number counts: retention removes records, and knows of nobody who asked."""
    return "records" if kind == "retention" else "people"


def open_request(
    ledger: "Ledger",
    request_id: str,
    kind: Kind,
    actor: str,
    people: int,
    selectors: Sequence[str],
    *,
    action: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append a request and its audit entry. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import privacy_requests

    with ledger.writing() as connection:
        moment = utc_now()
        connection.execute(
            sa.insert(privacy_requests).values(
                request_id=request_id,
                kind=kind,
                requested_at=moment,
                requested_by=actor,
                people=people,
                selectors=list(selectors),
            )
        )
        told = {counted(kind): people, **(details or {})}
        append(connection, actor=actor, action=action, subject=request_id, details=told, at=moment)


def record_step(
    ledger: "Ledger",
    request_id: str,
    step: str,
    details: Mapping[str, Any],
    *,
    actor: str | None = None,
    action: str | None = None,
) -> None:
    """Append that a step was done, with an audit entry when an action is named. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import privacy_steps

    with ledger.writing() as connection:
        moment = utc_now()
        connection.execute(
            sa.insert(privacy_steps).values(request_id=request_id, step=step, done_at=moment, details=dict(details))
        )
        if action is not None:
            append(connection, actor=actor or "kindred", action=action, subject=request_id, details=details, at=moment)


def read_requests(ledger: "Ledger", kind: Kind | None = None) -> list[PrivacyRequest]:
    """Requests with their steps, oldest first. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import privacy_requests, privacy_steps

    with ledger.reading() as connection:
        if connection is None or not sa.inspect(connection).has_table("privacy_requests"):
            return []
        requests = connection.execute(
            sa.select(privacy_requests).order_by(privacy_requests.c.requested_at, privacy_requests.c.request_id)
        ).all()
        steps = connection.execute(sa.select(privacy_steps).order_by(privacy_steps.c.step_id)).all()
    done: dict[str, dict[str, Mapping[str, Any]]] = {}
    completed: dict[str, datetime] = {}
    for step in steps:
        done.setdefault(step.request_id, {})[step.step] = step.details
        if step.step == COMPLETE:
            completed[step.request_id] = step.done_at
    return [
        PrivacyRequest(
            row.request_id,
            row.kind,
            row.requested_at,
            row.requested_by,
            row.people,
            tuple(row.selectors),
            done.get(row.request_id, {}),
            completed.get(row.request_id),
        )
        for row in requests
        if kind is None or row.kind == kind
    ]
