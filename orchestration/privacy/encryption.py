"""The key that encrypts files at rest: from the environment, from a command, or generated once.

Belongs here: where the key comes from, and what makes it unfit. Does not belong here: what DuckDB does with it
(`orchestration.duckdb_files`), or the secret of tokens (`secret.py`): the two are apart because analysts are given this
key, to open `customers.duckdb`, and never that one.
"""

import logging
import shlex
import subprocess
from enum import StrEnum
from functools import cache
from pathlib import Path

from orchestration.config import Settings
from orchestration.errors import KindredError
from orchestration.privacy.keyfile import make_once, open_to_others

MINIMUM_LENGTH = 32
"""Characters that a key needs at least. DuckDB derives the cipher's key from it in no time, so that a short or guessable
one could be found by trying; a generated one has 32 random bytes, written as 64 hexadecimal digits."""

COMMAND_SECONDS = 30
_HOW_TO_MAKE_ONE = "`openssl rand -hex 32` makes a good one."

logger = logging.getLogger("kindred.privacy")


class EncryptionKeyError(KindredError):
    """The encryption key cannot be used or had."""


class KeyOrigin(StrEnum):
    """Where the key comes from."""

    ENVIRONMENT = "KINDRED_ENCRYPTION_KEY"
    COMMAND = "KINDRED_ENCRYPTION_KEY_COMMAND"
    FILE = "generated"


def encryption_key_path(settings: Settings) -> Path:
    """The file that keeps the generated key when neither variable is set."""
    return settings.data / "secret" / "encryption.key"


def key_origin(settings: Settings) -> KeyOrigin:
    """Where the key comes from, without asking for it.

    Raises:
        EncryptionKeyError: both variables are set, so that it is not known which one holds.
    """
    if settings.encryption_key is not None and settings.encryption_key_command is not None:
        raise EncryptionKeyError(
            f"{KeyOrigin.ENVIRONMENT} and {KeyOrigin.COMMAND} are both set. Unset the one that does not hold."
        )
    if settings.encryption_key is not None:
        return KeyOrigin.ENVIRONMENT
    return KeyOrigin.FILE if settings.encryption_key_command is None else KeyOrigin.COMMAND


def load_encryption_key(settings: Settings) -> str:
    """The key: of `KINDRED_ENCRYPTION_KEY`, printed by `KINDRED_ENCRYPTION_KEY_COMMAND`, or kept in the data folder.

    The command is run once per process, without a shell. A generated key is kept beside what it protects, so it guards
    the published file where it is copied to, and nothing against a reader of the whole data folder.

    Returns:
        At least `MINIMUM_LENGTH` printable characters. It is never logged.

    Raises:
        EncryptionKeyError: there is no key, or it is too short, or its file is open to other users.
    """
    match key_origin(settings):
        case KeyOrigin.ENVIRONMENT:
            return _checked((settings.encryption_key or "").strip(), KeyOrigin.ENVIRONMENT)
        case KeyOrigin.COMMAND:
            return _from_command(settings.encryption_key_command or "")
        case _:
            return _kept(encryption_key_path(settings))


def load_key_of_working_files(settings: Settings) -> str:
    """The key for the warehouse and landing, which must not be kept beside them.

    Raises:
        EncryptionKeyError: see `load_encryption_key`; or no key is set.
    """
    if key_origin(settings) is KeyOrigin.FILE:
        raise EncryptionKeyError(
            "The warehouse or landing is encrypted, or is to be (KINDRED_ENCRYPT_WORKING_FILES), but no key is set: one that "
            f"is generated beside them would not guard them. Set {KeyOrigin.ENVIRONMENT}, or {KeyOrigin.COMMAND}, from your secret store. {_HOW_TO_MAKE_ONE}"
        )
    return load_encryption_key(settings)


@cache
def _from_command(command: str) -> str:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise EncryptionKeyError(f"{KeyOrigin.COMMAND} cannot be understood ({error}). Mend its quotes.") from error
    if not words:
        raise EncryptionKeyError(f"{KeyOrigin.COMMAND} is empty. Name a command that prints the key, or unset it.")
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, UnicodeDecodeError) as error:
        raise EncryptionKeyError(f"{KeyOrigin.COMMAND} could not be run: {words[0]}: {error}.") from error
    except subprocess.TimeoutExpired as error:
        raise EncryptionKeyError(
            f"{KeyOrigin.COMMAND} did not end within {COMMAND_SECONDS} seconds. It must print the key without asking."
        ) from error
    if done.returncode != 0:
        # What it printed may be the key; what it complained of is not.
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1][:200]
        raise EncryptionKeyError(f"{KeyOrigin.COMMAND} failed with exit code {done.returncode} and said: {said}")
    key = done.stdout.strip()
    if not key:
        raise EncryptionKeyError(f"{KeyOrigin.COMMAND} printed nothing. It must print the key, and nothing else.")
    return _checked(key, KeyOrigin.COMMAND)


def _kept(path: Path) -> str:
    try:
        made = make_once(path) if not path.exists() else False
        mode = open_to_others(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise EncryptionKeyError(
            f"No encryption key could be kept in or read from {path} ({error}). Mend it, or set {KeyOrigin.ENVIRONMENT}."
        ) from error
    if mode:
        raise EncryptionKeyError(
            f"The encryption key in {path} can be read by other users (mode {mode:04o}). "
            f"Run `chmod 600 {path}`, or set {KeyOrigin.ENVIRONMENT} and delete the file."
        )
    if made:
        logger.warning(
            "A key for customers.duckdb was generated and kept in %s. In production set KINDRED_ENCRYPTION_KEY, or "
            "KINDRED_ENCRYPTION_KEY_COMMAND, from a secret store instead.",
            path,
        )
    return _checked(key, str(path))


def _checked(key: str, origin: str) -> str:
    if len(key) < MINIMUM_LENGTH:
        raise EncryptionKeyError(
            f"The key of {origin} has {len(key)} characters; at least {MINIMUM_LENGTH} are needed. {_HOW_TO_MAKE_ONE}"
        )
    if not key.isprintable():
        raise EncryptionKeyError(f"The key of {origin} has line breaks or other control characters. {_HOW_TO_MAKE_ONE}")
    return key
