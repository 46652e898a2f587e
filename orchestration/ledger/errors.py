"""What can go wrong in the ledger."""

from orchestration.errors import KindredError


class LedgerError(KindredError):
    """The ledger cannot be opened or written; the message names where it lies and the way out."""
