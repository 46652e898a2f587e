"""The errors of the scaffold; each message names what is wrong and the way out."""

from orchestration.errors import KindredError


class ScaffoldError(KindredError):
    """A source cannot be added or removed as asked; nothing was written."""


class FileFormatError(ScaffoldError):
    """The file is not one that Kindred reads; the message says what it takes to make it one."""
