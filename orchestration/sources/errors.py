"""Errors that several modules of this package raise.

Belongs here: error classes that two modules need without importing each other. Does not belong here: errors that one
module raises; they stand beside the code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestration.errors import KindredError

Refusal = Literal["refused_missing", "refused_renamed?", "refused_unknown", "refused_repeated", "refused_retyped"]


class ContractError(KindredError):
    """A contract that cannot be used; the message names the file, the path inside it and the way out."""


class DeliveryError(KindredError):
    """A delivered file that stops its table; the message names the file, the row where known, and the way out."""


class MissingFileError(DeliveryError):
    """The delivery of a day, or one of its files, is not there."""


class UnreadableFileError(DeliveryError):
    """The file is not what the contract says: empty, truncated, or in another format or encoding."""


@dataclass(frozen=True)
class RefusedColumn:
    """Why one column of a delivery is not acceptable."""

    name: str
    """As delivered; as the contract has it for one that is missing."""
    why: Refusal
    observed_type: str | None = None
    """What its values look like, where they were looked at."""


class DriftError(DeliveryError):
    """The file's columns are not those of the contract, or a whole column has another type."""

    def __init__(self, message: str, refused: Sequence[RefusedColumn] = ()) -> None:
        super().__init__(message)
        self.refused = tuple(refused)
