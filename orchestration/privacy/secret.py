"""The installation's secret: where it comes from, how it is generated once, how it is kept.

Belongs here: reading and creating the one secret from which the keys of tokens and tombstones are derived. Does not
belong here: what the keys are used for (`pseudonyms.py`).
"""

import logging
from pathlib import Path

from orchestration.config import Settings
from orchestration.errors import KindredError
from orchestration.privacy.keyfile import make_once, open_to_others

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
    try:
        made = make_once(path)
    except OSError as error:
        raise SecretError(
            f"No secret could be kept in {path} ({error.strerror}). Make the folder writable, or set KINDRED_SECRET."
        ) from error
    if made:
        logger.warning(
            "A new secret for tokens was generated and kept in %s. In production set KINDRED_SECRET from a secret store "
            "instead, and keep a copy: without it published tokens change and erased people cannot be recognised.",
            path,
        )


def _read(path: Path) -> bytes:
    try:
        if mode := open_to_others(path):
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
