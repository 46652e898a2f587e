"""What can go wrong in the gates, apart from data that fails them (that is a result, not an error)."""

from orchestration.errors import KindredError


class GateError(KindredError):
    """A gate that cannot run at all: no such table, no contract for a raw table, a name that is no table name."""


class QuarantineError(KindredError):
    """What a person asked cannot be done; the message names the table, file, row or column, and the way out."""
