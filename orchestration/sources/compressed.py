"""Compressed deliveries: which names they have, and their plain copy.

Belongs here: gzip and Zstandard, told by a file's last suffix. Does not belong here: what is inside (see `read`).
"""

import fnmatch
import shutil
import zlib
from pathlib import Path, PurePosixPath

from orchestration.sources.landed import create, unpacked

COMPRESSIONS = (".gz", ".zst")
_CHUNK = 1 << 20


class BrokenCompressionError(ValueError):
    """The file is cut off, or not compressed as its name says."""


def is_compressed(path: Path) -> bool:
    """Whether the name ends as a compressed file's does."""
    return path.suffix.lower() in COMPRESSIONS


def plain_copy(path: Path, folder: Path) -> Path:
    """The file itself when it is not compressed, else a plain copy of it in the folder.

    Raises BrokenCompressionError.
    """
    if not is_compressed(path):
        return path
    copy = folder / "plain"
    try:
        with create(copy) as target, unpacked(path) as content:
            shutil.copyfileobj(content, target, _CHUNK)
    except (OSError, EOFError, zlib.error) as error:
        raise BrokenCompressionError(str(error)) from error
    return copy


def with_compressions(glob: str) -> tuple[str, ...]:
    """The glob and those of the same files compressed."""
    return (glob, *(f"{glob}{suffix}" for suffix in COMPRESSIONS))


def matches(name: str, glob: str) -> bool:
    """Whether a path relative to a folder is one that the glob finds there, plain or compressed."""
    return any(_matches(PurePosixPath(name).parts, PurePosixPath(way).parts) for way in with_compressions(glob))


def _matches(parts: tuple[str, ...], patterns: tuple[str, ...]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_matches(parts[i:], patterns[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], patterns[0]) and _matches(parts[1:], patterns[1:])
