"""Stable customer ids over the clusters that linkage finds, and the judgements of people about them.

Belongs here: which id a cluster of records gets and why it keeps it, what a judgement means for a run, which pairs a
person should decide, and why records belong together. Does not belong here: finding the clusters, keeping judgements
(see `orchestration.ledger`).
"""

from orchestration.identity.errors import IdentityError
from orchestration.identity.ids import IdChanges, assign_ids
from orchestration.identity.state import accept_ids, ensure_tables, forget_customers

__all__ = ["IdChanges", "IdentityError", "accept_ids", "assign_ids", "ensure_tables", "forget_customers"]
