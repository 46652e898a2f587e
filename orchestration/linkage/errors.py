"""The errors that record linkage raises; each message names what is wrong and the way out."""

from __future__ import annotations

from orchestration.errors import KindredError


class LinkageError(KindredError):
    """Records cannot be linked as asked."""


class CandidateBudgetError(LinkageError):
    """Comparing the records would need more candidate pairs than the budget allows."""


class ModelError(LinkageError):
    """A linkage model cannot be read, or does not fit the records."""
