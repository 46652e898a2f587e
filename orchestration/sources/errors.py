"""Errors that several modules of this package raise.

Belongs here: error classes that two modules need without importing each other. Does not belong here: errors that one
module raises; they stand beside the code.
"""

from orchestration.errors import KindredError


class ContractError(KindredError):
    """A contract that cannot be used; the message names the file, the path inside it and the way out."""


class DeliveryError(KindredError):
    """A delivered file that stops its table; the message names the file, the row where known, and the way out."""


class MissingFileError(DeliveryError):
    """The delivery of a day, or one of its files, is not there."""


class UnreadableFileError(DeliveryError):
    """The file is not what the contract says: empty, truncated, or in another format or encoding."""


class DriftError(DeliveryError):
    """The file's columns are not those of the contract, or a whole column has another type."""
