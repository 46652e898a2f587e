"""The errors that standardisation raises; each message names what is wrong and the way out."""

from __future__ import annotations

from orchestration.errors import KindredError


class StandardiseError(KindredError):
    """A table cannot be standardised as asked."""
