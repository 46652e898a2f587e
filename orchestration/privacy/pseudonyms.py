"""Pseudonyms: keyed tokens that stand for personal values, the same in SQL as in Python.

Belongs here: deriving keys, the token's form, and the SQL that computes it. Does not belong here: which columns become
tokens (the models' `privacy` words, read by `orchestration.publishing.columns`).

A token is HMAC-SHA256 (RFC 2104, FIPS 180-4) over the field kind, the unit separator (U+001F) and the value, under a
key derived from the installation's secret. It is written `<kind>_<24 hexadecimal digits>`, for example
`email_9f86d081884c7d659a2feaa0`:

- the kind goes into the message, so that equal values of different fields (a given name that is also a city) give
  unrelated tokens, and e-mail tokens join only with e-mail tokens;
- the kind also stands in front, so that a reader sees what was replaced and a join across kinds stands out;
- 24 digits are 96 bits: among 100,000,000 distinct values two collide with a probability of about 6e-14.

DuckDB has no HMAC function but has `sha256` over blobs, from which HMAC follows by its definition:
`sha256(outer pad || sha256(inner pad || message))`. The pads are bound as parameters, so that the key is in no SQL text,
no plan and no log.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import date

TOKEN_DIGITS = 24
_BLOCK = 64
_KIND = re.compile(r"[a-z][a-z0-9_]*")
_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class TokenKey:
    """A derived key in the form that HMAC over SHA-256 needs: its two padded 64-byte blocks.

    The blocks are kept out of `repr`, so that a key cannot slip into a log or a traceback.
    """

    inner: bytes = field(repr=False)
    outer: bytes = field(repr=False)

    @property
    def parameters(self) -> dict[str, bytes]:
        """What `token_sql`'s expressions must be executed with."""
        return {"token_inner": self.inner, "token_outer": self.outer}


def derive_key(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose, so that tokens and tombstones of one person share no key and cannot be joined.

    One expansion step of HKDF (RFC 5869, section 2.3) with the purpose as `info`.
    """
    return hmac.digest(secret, f"kindred/{purpose}".encode() + b"\x01", hashlib.sha256)


def token_purpose(period: str, load_date: date | None) -> str:
    """The purpose of the tokens' key in a rotation period (`KINDRED_TOKEN_PERIOD`): tokens of two periods do not join.

    Args:
        period: `never`; `year` or `month`, of the load date; or a label, to rotate when somebody changes it.
        load_date: the newest day of data, so that a day run again gives its tokens again.

    Raises:
        ValueError: the period follows the load date, and there is none.
    """
    match period:
        case "never":
            return "tokens"
        case "year" | "month" if load_date is None:
            raise ValueError(f"Tokens that rotate each {period} need a load date.")
        case "year":
            return f"tokens/{load_date:%Y}"
        case "month":
            return f"tokens/{load_date:%Y-%m}"
        case _:
            return f"tokens/label/{period}"


def token_key(secret: bytes, purpose: str = "tokens") -> TokenKey:
    """The key of published tokens. Another purpose, such as a rotation period, gives tokens that do not join."""
    block = derive_key(secret, purpose).ljust(_BLOCK, b"\x00")
    return TokenKey(inner=bytes(byte ^ 0x36 for byte in block), outer=bytes(byte ^ 0x5C for byte in block))


def token_key_id(secret: bytes, purpose: str = "tokens") -> str:
    """Eight hexadecimal digits that tell whether two files' tokens were made with one key. Reveals nothing of it."""
    return derive_key(secret, f"{purpose}/key id").hex()[:8]


def token(value: str | None, kind: str, key: TokenKey) -> str | None:
    """The token of one value, for look-ups (`which token has this e-mail?`). NULL stays NULL.

    Raises:
        ValueError: the kind is not a lower-case identifier.
    """
    _check_kind(kind)
    if value is None:
        return None
    inner = hashlib.sha256(key.inner + f"{kind}{_SEPARATOR}{value}".encode()).digest()
    return f"{kind}_{hashlib.sha256(key.outer + inner).hexdigest()[:TOKEN_DIGITS]}"


def token_sql(expression: str, kind: str) -> str:
    """The same token as a DuckDB expression over a column; NULL stays NULL.

    Execute the statement with `TokenKey.parameters`.

    Args:
        expression: SQL of the value; anything that casts to VARCHAR.
        kind: lower-case name of the field kind.

    Raises:
        ValueError: the kind is not a lower-case identifier.
    """
    _check_kind(kind)
    message = f"encode('{kind}' || chr(31) || cast({expression} as varchar))"
    inner = f"unhex(sha256($token_inner || {message}))"
    return f"'{kind}_' || left(sha256($token_outer || {inner}), {TOKEN_DIGITS})"


def _check_kind(kind: str) -> None:
    if not _KIND.fullmatch(kind):
        raise ValueError(f"A token's kind is a lower-case identifier, not {kind!r}")
