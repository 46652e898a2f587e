"""Errors that several modules of this package raise.

Belongs here: error classes that two modules need without importing each other. Does not belong here: errors that one
module raises; they stand beside the code.
"""

from orchestration.errors import KindredError


class ContractError(KindredError):
    """A contract that cannot be used; the message names the file, the path inside it and the way out."""
