"""A random key that is generated once and kept for its owner alone.

Belongs here: creating and reading such a file. Does not belong here: which keys there are and what they are for
(`secret.py`, `encryption.py`).
"""

import os
import secrets
import stat
from pathlib import Path
from tempfile import mkstemp

KEY_BYTES = 32


def make_once(path: Path) -> bool:
    """Create a key file whole or not at all; when two processes race, the first one's key is kept by both.

    Returns:
        Whether this call made it.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = mkstemp(prefix=".kindred-key-", dir=path.parent)  # mkstemp creates with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    except FileExistsError:
        return False
    finally:
        Path(name).unlink(missing_ok=True)
    return True


def open_to_others(path: Path) -> int | None:
    """The file's mode when other users of the machine may read it; None when they may not. Raises OSError."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return mode if os.name == "posix" and mode & 0o077 else None
