"""What can go wrong when a person's rights are answered; each message says what to do.

Belongs here: the errors of closure, erasure, tombstones, export and retention. Does not belong here: the errors of
secrets (`secret.py`), of roles (`access.py`) and of the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.errors import KindredError


class PrivacyError(KindredError):
    """A request of a person cannot be answered as asked."""


class UnknownPersonError(PrivacyError):
    """Nothing is held under what was given."""


@dataclass(frozen=True)
class Candidate:
    """One of several customers that a selector fits; shows nothing but what tells them apart."""

    customer_id: str
    records: int
    sources: tuple[str, ...]


class AmbiguousPersonError(PrivacyError):
    """A selector fits several customers, and nobody guesses."""

    def __init__(self, selector: str, candidates: Sequence[Candidate]) -> None:
        shown = "; ".join(f"{c.customer_id} ({c.records} records of {', '.join(c.sources)})" for c in candidates)
        super().__init__(
            f"{selector} belongs to {len(candidates)} customers: {shown}. Ask the person which data is theirs, and name "
            "one with --customer."
        )
        self.candidates = tuple(candidates)


class AlreadyErasedError(PrivacyError):
    """The same person was erased before."""


class LostKeyError(PrivacyError):
    """The key that the tombstones were made with is not the present one."""


class ErasureError(PrivacyError):
    """An erasure could not be carried through; its request stays open."""


class ResidueError(ErasureError):
    """After an erasure something of the person was still found: there is no certificate."""
