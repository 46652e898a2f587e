"""Stable customer ids over the clusters that linkage finds.

Belongs here: which id a cluster of records gets, and why it keeps it. Does not belong here: finding the clusters.
"""

from orchestration.identity.mint import assign_customer_ids

__all__ = ["assign_customer_ids"]
