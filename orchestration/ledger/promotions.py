"""Which linkage model is in use, and since when: promotions, appended once, and the day from which each was used.

Belongs here: the promotion as a value, appending it with its audit entry, and which one holds for a day. Does not belong
here: the models themselves (see `orchestration.linkage.registry`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from orchestration.ledger.audit import append, utc_now

if TYPE_CHECKING:
    from orchestration.ledger.store import Ledger

PIPELINE = "pipeline"
"""Who promotes the first model: nobody has to, for there is nothing to compare it with."""


@dataclass(frozen=True)
class Promotion:
    """One model taken into use."""

    promotion_id: int
    version: str
    previous_version: str | None
    reason: str
    since: date | None
    """The newest load date of the warehouse when it was promoted."""
    decided_by: str
    decided_at: datetime
    """Naive UTC."""
    first_used_on: date | None
    """The load date of the first run with it; None before there was one."""


def append_promotion(
    ledger: "Ledger",
    version: str,
    *,
    previous: str | None,
    reason: str,
    actor: str,
    since: date | None,
    details: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> None:
    """Append a promotion and its audit entry: both stand or neither.

    Args:
        details: for the audit entry: counts and versions, no personal values.

    Raises LedgerError.
    """
    import sqlalchemy as sa

    from orchestration.ledger.tables import model_promotions

    moment = at or utc_now()
    with ledger.writing() as connection:
        done = connection.execute(
            sa.insert(model_promotions).values(
                version=version,
                previous_version=previous,
                reason=reason,
                since=since,
                decided_by=actor,
                decided_at=moment,
            )
        )
        (number,) = done.inserted_primary_key or (None,)
        told = {"promotion_id": number, "previous_version": previous, "reason": reason, **(details or {})}
        append(
            connection, actor=actor, action="model.promote", subject=f"linkage model {version}", details=told, at=moment
        )


def note_use(ledger: "Ledger", promotion_id: int, load_date: date, at: datetime | None = None) -> None:
    """Note the first day that a promoted model resolved; noted already, nothing happens. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import model_uses

    with ledger.writing() as connection:
        known = connection.execute(
            sa.select(model_uses.c.load_date).where(model_uses.c.promotion_id == promotion_id)
        ).one_or_none()
        if known is None:
            connection.execute(
                sa.insert(model_uses).values(promotion_id=promotion_id, load_date=load_date, noted_at=at or utc_now())
            )


def read_promotions(ledger: "Ledger") -> tuple[Promotion, ...]:
    """Every promotion in order. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import model_promotions, model_uses

    with ledger.reading() as connection:
        if connection is None or not sa.inspect(connection).has_table(model_promotions.name):
            return ()
        rows = connection.execute(
            sa.select(model_promotions, model_uses.c.load_date)
            .join(model_uses, model_uses.c.promotion_id == model_promotions.c.promotion_id, isouter=True)
            .order_by(model_promotions.c.promotion_id)
        ).all()
    return tuple(
        Promotion(
            promotion_id=row.promotion_id,
            version=row.version,
            previous_version=row.previous_version,
            reason=row.reason,
            since=row.since,
            decided_by=row.decided_by,
            decided_at=row.decided_at,
            first_used_on=row.load_date,
        )
        for row in rows
    )


def promotion_for(promotions: Sequence[Promotion], day: date | None) -> Promotion | None:
    """The promotion that holds for records up to a load date; None before the first promotion.

    The latest one holds from the load date that was the newest when it was promoted, an earlier one from the day on
    which it was first used. So a replay of landing resolves each day with the model of that day, and gives the same ids.
    A day before all of them takes the first.
    """
    if day is None or not promotions:
        return promotions[-1] if promotions else None
    latest = promotions[-1]
    for promotion in reversed(promotions):
        start = promotion.first_used_on
        if start is None and promotion is latest:
            start = promotion.since or day
        if start is not None and start <= day:
            return promotion
    return promotions[0]
