"""Replacing a published file: the new one whole, or the old one untouched.

Belongs here: temporary places, permissions, flushing to disk and the atomic rename. Does not belong here: any content.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

FILE_MODE = 0o640
"""Owner writes, group reads: put analysts into the group; nobody else reads."""
OWNER_ONLY = 0o600

_FOLDER_MODE = 0o750
_SUFFIX = ".building"


@contextmanager
def replacing(target: Path, mode: int = FILE_MODE) -> Iterator[Path]:
    """Give a path to build at; when the block ends well, what lies there takes the target's place in one step.

    The path lies in a folder beside `target` that only the owner may enter, so that neither the half-built file nor what
    a database keeps beside it while writing is open to others. Readers who hold the old file keep it. After any failure,
    of the block or of the swap, the old file is as it was and nothing is left beside it. What a killed process left is
    removed by the next call.
    """
    _make_folder(target.parent)
    _remove_leftovers(target)
    workplace = target.with_name(f".{target.name}.{os.getpid()}-{uuid4().hex[:8]}{_SUFFIX}")
    workplace.mkdir(mode=0o700)
    building = workplace / target.name
    try:
        yield building
        building.chmod(mode)
        _flush(building)
        building.replace(target)
        _flush(target.parent)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _make_folder(folder: Path) -> None:
    """A new folder may be entered by the group, whatever the umask; one that is there keeps its permissions."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(_FOLDER_MODE)


def _remove_leftovers(target: Path) -> None:
    for path in target.parent.glob(f".{target.name}.*{_SUFFIX}*"):
        owner = path.name.removeprefix(f".{target.name}.").split("-")[0]
        if owner.isdigit() and _alive(int(owner)):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
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
