"""The ledger: what people decided, append-only, and the hash-chained audit log of it.

Belongs here: the ledger's tables, appending to them, reading them back, proving the chain. Does not belong here: what a
decision does to the warehouse (see the package that applies it). The warehouse is derived from landing and the ledger;
nothing here is.
"""

from orchestration.ledger.errors import LedgerError

__all__ = ["LedgerError"]
