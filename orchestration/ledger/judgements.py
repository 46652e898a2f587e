"""What people decided about pairs of records: one person or not. Appended once, read at every run.

Belongs here: judgements as values, appending and undoing with an audit entry, and which of them live. Does not belong
here: what a judgement does to clusters, or whether it contradicts others (see `orchestration.identity.judgements`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

from orchestration.ledger.audit import append, utc_now
from orchestration.ledger.errors import LedgerError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from orchestration.ledger.store import Ledger

Verdict = Literal["must_link", "cannot_link", "unsure"]
VERDICTS: tuple[Verdict, ...] = ("must_link", "cannot_link", "unsure")
UNDONE = "undone"


@dataclass(frozen=True)
class Judgement:
    """One entry: a verdict about a pair, or the undoing of an earlier entry (verdict `undone`, `undoes` set)."""

    judgement_id: int
    record_id_l: str
    record_id_r: str
    """Never smaller than `record_id_l`."""
    verdict: str
    undoes: int | None
    decided_by: str
    decided_at: datetime
    """Naive UTC."""
    reason: str | None
    customer_id_l: str | None = None
    customer_id_r: str | None = None
    first_used_on: date | None = None
    """The newest load date of the run that first took the entry into account; None when none did yet."""

    @property
    def pair(self) -> tuple[str, str]:
        """Both records, the smaller id first."""
        return (self.record_id_l, self.record_id_r)


@dataclass(frozen=True)
class Decision:
    """A verdict about a pair, to be appended."""

    record_a: str
    record_b: str
    verdict: Verdict
    reason: str | None = None
    customer_a: str | None = None
    customer_b: str | None = None


Guard = Callable[[Sequence[Judgement]], None]
"""Looks at every entry there is, inside the transaction that appends, and raises to refuse."""


def decide(
    ledger: "Ledger", decision: Decision, *, actor: str, guard: Guard | None = None, at: datetime | None = None
) -> Judgement:
    """Append a judgement with its audit entry; a later one of the same pair replaces it.

    Args:
        guard: refuses by raising; nothing is appended then. No other writer comes between its look and the append.

    Raises LedgerError: a record is judged against itself, or the ledger cannot be written.
    """
    sides = sorted(((decision.record_a, decision.customer_a), (decision.record_b, decision.customer_b)))
    (left, customer_l), (right, customer_r) = sides
    if left == right:
        raise LedgerError(f"{left} is one record: a judgement needs two different ones")
    with ledger.writing() as connection:
        if guard is not None:
            guard(_read(connection))
        return _append(
            connection, actor, at or utc_now(), "judgement.decide",
            record_id_l=left, record_id_r=right, verdict=decision.verdict, undoes=None, reason=decision.reason,
            customer_id_l=customer_l, customer_id_r=customer_r,
        )  # fmt: skip


def undo(
    ledger: "Ledger",
    judgement_id: int,
    *,
    actor: str,
    reason: str | None = None,
    guard: Guard | None = None,
    at: datetime | None = None,
) -> Judgement:
    """Take a judgement back by a further entry. An undoing can be undone, too.

    Raises LedgerError: there is no such judgement, it was undone already, or the ledger cannot be written.
    """
    with ledger.writing() as connection:
        entries = _read(connection)
        taken_back = next((entry for entry in entries if entry.judgement_id == judgement_id), None)
        if taken_back is None:
            known = f"the last one is {entries[-1].judgement_id}" if entries else "nothing has been judged yet"
            raise LedgerError(f"there is no judgement {judgement_id}; {known} (`kindred review --list`)")
        by = next((entry.judgement_id for entry in standing(entries) if entry.undoes == judgement_id), None)
        if by is not None:
            raise LedgerError(
                f"judgement {judgement_id} was undone already, by entry {by}; undo that one to restore it"
            )
        if guard is not None:
            guard(entries)
        return _append(
            connection, actor, at or utc_now(), "judgement.undo",
            record_id_l=taken_back.record_id_l, record_id_r=taken_back.record_id_r, verdict=UNDONE,
            undoes=judgement_id, reason=reason, customer_id_l=None, customer_id_r=None,
        )  # fmt: skip


def read_judgements(ledger: "Ledger") -> tuple[Judgement, ...]:
    """Every entry in order, undone ones and undoings included. Raises LedgerError."""
    with ledger.reading() as connection:
        if connection is None:
            return ()
        import sqlalchemy as sa

        if not sa.inspect(connection).has_table("match_judgement_uses"):
            return ()
        return _read(connection)


def in_force(entries: Iterable[Judgement], load_date: date | None) -> tuple[Judgement, ...]:
    """The entries that count for records up to a load date: all but those that were first used later, in a rebuild."""
    return tuple(
        entry
        for entry in entries
        if entry.first_used_on is None or load_date is None or entry.first_used_on <= load_date
    )


def note_uses(ledger: "Ledger", entries: Iterable[Judgement], load_date: date, at: datetime | None = None) -> None:
    """Note the first load date for which entries were taken into account; noted ones stay. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import match_judgement_uses

    fresh = [entry.judgement_id for entry in entries if entry.first_used_on is None]
    if not fresh:
        return
    with ledger.writing() as connection:
        known = set(connection.execute(sa.select(match_judgement_uses.c.judgement_id)).scalars())
        for number in fresh:
            if number not in known:
                connection.execute(
                    sa.insert(match_judgement_uses).values(
                        judgement_id=number, load_date=load_date, noted_at=at or utc_now()
                    )
                )


def standing(entries: Iterable[Judgement]) -> tuple[Judgement, ...]:
    """The entries that were not undone, undoings among them, in order."""
    ordered = sorted(entries, key=lambda entry: entry.judgement_id)
    void: set[int] = set()
    # An undoing always comes after what it undoes, so the last entries are settled first.
    for entry in reversed(ordered):
        if entry.undoes is not None and entry.judgement_id not in void:
            void.add(entry.undoes)
    return tuple(entry for entry in ordered if entry.judgement_id not in void)


def living(entries: Iterable[Judgement]) -> tuple[Judgement, ...]:
    """The one verdict of each pair that counts, the last that was not undone, in order of their numbers."""
    last: dict[tuple[str, str], Judgement] = {}
    for entry in standing(entries):
        if entry.undoes is None:
            last[entry.pair] = entry
    return tuple(sorted(last.values(), key=lambda entry: entry.judgement_id))


def _read(connection: "sa.Connection") -> tuple[Judgement, ...]:
    import sqlalchemy as sa

    from orchestration.ledger.tables import match_judgement_uses, match_judgements

    rows = connection.execute(
        sa.select(match_judgements, match_judgement_uses.c.load_date.label("first_used_on"))
        .join(
            match_judgement_uses, match_judgement_uses.c.judgement_id == match_judgements.c.judgement_id, isouter=True
        )
        .order_by(match_judgements.c.judgement_id)
    ).all()
    return tuple(Judgement(**row._mapping) for row in rows)


def _append(
    connection: "sa.Connection", actor: str, moment: datetime, action: str, **values: str | int | None
) -> Judgement:
    import sqlalchemy as sa

    from orchestration.ledger.tables import match_judgements

    done = connection.execute(
        sa.insert(match_judgements).values(decided_by=actor, decided_at=moment, **values)
    ).inserted_primary_key
    number = int(done[0]) if done else 0
    details = {"verdict": values["verdict"]} if values["undoes"] is None else {"undoes": values["undoes"]}
    # Neither record ids nor the reason: erasing a person must not have to break the audit chain.
    append(connection, actor=actor, action=action, subject=f"judgement {number}", details=details, at=moment)
    return Judgement(judgement_id=number, decided_by=actor, decided_at=moment, **values)  # type: ignore[arg-type]
