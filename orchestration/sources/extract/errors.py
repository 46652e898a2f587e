"""What can go wrong while a source is asked; a message names source, table or endpoint, and the way out.

Belongs here: error classes that several connectors raise. Does not belong here: errors of landed files (see `read`).
"""

from orchestration.errors import KindredError


class ExtractError(KindredError):
    """A source that could not be taken; nothing of the day has landed."""


class UnreachableError(ExtractError):
    """The server does not answer, or only with errors: another attempt may do."""


class AccessError(ExtractError):
    """The server refuses us, or the environment variable with the credential is missing."""


class AnswerError(ExtractError):
    """The server answered with something else than the contract says."""
