"""The audit log: who did what to what, each entry chained to the one before by its hash.

Belongs here: appending to the chain and proving it whole. Does not belong here: personal values; an entry names tables,
days, files, rows and counts, so that erasing a person never has to break the chain.

The chain: hash = SHA-256 of the entry as canonical JSON (keys sorted, no blanks, ASCII) followed by the previous entry's
hash; the first entry follows sixty-four zeros. `audit_head` keeps the last number and hash, so that entries cut off the
end are noticed. Whoever can rewrite the whole database can rewrite both: keep the head, which `kindred audit verify`
prints, somewhere else to be safe from that too.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlalchemy as sa

    from orchestration.ledger.store import Ledger

NO_HASH = "0" * 64
_CHAIN = 1


@dataclass(frozen=True)
class AuditEntry:
    """One entry of the chain."""

    seq: int
    at: datetime
    """Naive UTC."""
    actor: str
    action: str
    """What was done, such as `quarantine.discard`."""
    subject: str
    """What it was done to, such as `raw.crm__contacts 2026-01-05`."""
    details: Mapping[str, Any]
    previous_hash: str
    hash: str

    @property
    def expected_hash(self) -> str:
        """The hash that the entry's content and its predecessor's hash give."""
        content = {
            "seq": self.seq,
            "at": self.at.isoformat(timespec="microseconds"),
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "details": self.details,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        # A hash of the chain is ASCII; a forged one may be anything, and has to be found rather than to fail.
        return hashlib.sha256((text + self.previous_hash).encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Head:
    """The end of the chain: the number and hash of its last entry; zero and zeros when there is none."""

    seq: int
    hash: str


def append(
    connection: "sa.Connection",
    *,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> AuditEntry:
    """Append one entry, in a transaction of `Ledger.writing`: it stands if and only if what it tells of does.

    Args:
        details: plain JSON (text, whole numbers, truth values, lists, maps), without personal values.
        at: naive UTC, by default now.
    """
    import sqlalchemy as sa

    from orchestration.ledger.tables import audit_head, audit_log

    head = _head(connection)
    unhashed = AuditEntry(
        seq=head.seq + 1,
        at=at or utc_now(),
        actor=actor,
        action=action,
        subject=subject,
        # As it will read back: tuples become lists, keys become text.
        details=json.loads(json.dumps(dict(details or {}))),
        previous_hash=head.hash,
        hash="",
    )
    entry = AuditEntry(**{**unhashed.__dict__, "hash": unhashed.expected_hash})
    connection.execute(sa.insert(audit_log).values(**entry.__dict__))
    connection.execute(sa.delete(audit_head).where(audit_head.c.chain == _CHAIN))
    connection.execute(sa.insert(audit_head).values(chain=_CHAIN, seq=entry.seq, hash=entry.hash))
    return entry


def entries(ledger: "Ledger", limit: int | None = None) -> list[AuditEntry]:
    """The chain in order; with a limit its last entries. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import audit_log

    with ledger.reading() as connection:
        if connection is None:
            return []
        latest_first = sa.select(audit_log).order_by(audit_log.c.seq.desc()).limit(limit)
        return [AuditEntry(**row._mapping) for row in reversed(connection.execute(latest_first).all())]


def head(ledger: "Ledger") -> Head:
    """The end of the chain as it was last written. Raises LedgerError."""
    with ledger.reading() as connection:
        return Head(0, NO_HASH) if connection is None else _head(connection)


def verify(ledger: "Ledger", expected_head: str | None = None) -> list[str]:
    """Walk the whole chain; the problems found, in words, none when it is whole.

    Args:
        expected_head: a hash noted earlier outside the ledger, which some entry must still have.

    Raises LedgerError.
    """
    chain = entries(ledger)
    problems = broken_links(chain)
    end = head(ledger)
    last = Head(chain[-1].seq, chain[-1].hash) if chain else Head(0, NO_HASH)
    if end != last:
        problems.append(
            f"the chain ends with entry {last.seq}, but entry {end.seq} was the last one written: "
            "entries at the end are missing or were put there from outside"
        )
    if expected_head is not None and expected_head not in {NO_HASH, *(entry.hash for entry in chain)}:
        problems.append(f"no entry has the hash {expected_head} that was noted: the chain was written anew")
    return problems


def broken_links(chain: Sequence[AuditEntry]) -> list[str]:
    """What is wrong with a chain of entries, from the first one on, in words."""
    problems = []
    number, previous = 0, NO_HASH
    for entry in chain:
        if entry.seq != number + 1:
            gap = (
                f"entry {number + 1} is" if entry.seq == number + 2 else f"entries {number + 1} to {entry.seq - 1} are"
            )
            problems.append(f"{gap} missing")
        elif entry.previous_hash != previous:
            problems.append(f"entry {entry.seq} does not follow entry {number}: its previous hash is another")
        if entry.hash != entry.expected_hash:
            problems.append(f"entry {entry.seq} was changed: its content does not give its hash")
        number, previous = entry.seq, entry.hash
    return problems


def _head(connection: "sa.Connection") -> Head:
    import sqlalchemy as sa

    from orchestration.ledger.tables import audit_head

    row = connection.execute(
        sa.select(audit_head.c.seq, audit_head.c.hash).where(audit_head.c.chain == _CHAIN)
    ).one_or_none()
    return Head(row.seq, row.hash) if row else Head(0, NO_HASH)


def utc_now() -> datetime:
    """Now, in UTC without a zone, as the ledger's times are."""
    return datetime.now(UTC).replace(tzinfo=None)
