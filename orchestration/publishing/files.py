"""Replacing a published file: the new one whole, or the old one untouched.

Belongs here: temporary names, flushing to disk and the atomic rename. Does not belong here: any content.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

FILE_MODE = 0o640
"""Owner writes, group reads: put analysts into the group; nobody else reads."""

_SUFFIX = ".building"


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a path beside `target` to build at; when the block ends well, it takes the target's place in one step.

    Readers who hold the old file keep it. After any failure, of the block or of the swap, the old file is as it was and
    nothing is left beside it. What a killed process left is removed by the next call.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    building = target.with_name(f".{target.name}.{os.getpid()}-{uuid4().hex[:8]}{_SUFFIX}")
    try:
        yield building
        building.chmod(FILE_MODE)
        _flush(building)
        building.replace(target)
        _flush(target.parent)
    finally:
        for path in (building, building.with_name(building.name + ".wal")):
            path.unlink(missing_ok=True)


def _remove_leftovers(target: Path) -> None:
    for path in target.parent.glob(f".{target.name}.*{_SUFFIX}*"):
        owner = path.name.removeprefix(f".{target.name}.").split("-")[0]
        if not owner.isdigit() or not _alive(int(owner)):
            path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
