"""The installation's secret: where it comes from, how it is generated once, how it is kept.

Belongs here: reading and creating the one secret from which the keys of tokens and tombstones are derived. Does not
belong here: what the keys are used for (`pseudonyms.py`).
"""

import logging
import os
import secrets
import stat
from pathlib import Path
from tempfile import mkstemp

from orchestration.config import Settings
from orchestration.errors import KindredError

MINIMUM_LENGTH = 16
"""Bytes that a secret needs at least. A generated one has 32 random bytes, written as 64 hexadecimal digits."""

logger = logging.getLogger("kindred.privacy")


class SecretError(KindredError):
    """The secret cannot be used: too short, unreadable, or open to other users of the machine."""


def secret_path(settings: Settings) -> Path:
    """The file that keeps the generated secret when `KINDRED_SECRET` is not set."""
    return settings.data / "secret" / "kindred.key"


def load_secret(settings: Settings) -> bytes:
    """The installation's secret: `KINDRED_SECRET`, else the kept one, else a new one that is kept from now on.

    The same secret gives the same tokens; a lost one can never be recomputed, and every published token changes.
    It never appears in a log, an error or a published file.

    Returns:
        The secret's bytes, at least `MINIMUM_LENGTH` of them.

    Raises:
        SecretError: the secret is too short, or its file is unreadable, not writable, or readable by other users.
    """
    if settings.secret is not None:
        return _checked(settings.secret.strip().encode(), "KINDRED_SECRET")
    path = secret_path(settings)
    if not path.exists():
        _generate(path)
    return _checked(_read(path), str(path))


def _generate(path: Path) -> None:
    """Create the key file whole or not at all; when two processes race, the first one's secret is kept by both."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = mkstemp(prefix=".kindred-key-", dir=path.parent)  # mkstemp creates with mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except FileExistsError:
        return
    except OSError as error:
        raise SecretError(
            f"No secret could be kept in {path} ({error.strerror}). Make the folder writable, or set KINDRED_SECRET."
        ) from error
    logger.warning(
        "A new secret for tokens was generated and kept in %s. In production set KINDRED_SECRET from a secret store "
        "instead, and keep a copy: without it published tokens change and erased people cannot be recognised.",
        path,
    )


def _read(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if os.name == "posix" and mode & 0o077:
            raise SecretError(
                f"The secret in {path} can be read by other users (mode {mode:04o}). "
                f"Run `chmod 600 {path}`, or set KINDRED_SECRET and delete the file."
            )
        return path.read_bytes().strip()
    except OSError as error:
        raise SecretError(
            f"The secret in {path} cannot be read ({error.strerror}). Mend it or set KINDRED_SECRET."
        ) from error


def _checked(secret: bytes, origin: str) -> bytes:
    if len(secret) < MINIMUM_LENGTH:
        raise SecretError(
            f"The secret of {origin} has {len(secret)} bytes; at least {MINIMUM_LENGTH} are needed. "
            "`openssl rand -hex 32` makes a good one."
        )
    return secret
