"""E-mail addresses: lower case, and syntactically valid or null.

What belongs here: the shape of an address. What does not: whether a mailbox exists, and
placeholder addresses, which are data.
"""

from __future__ import annotations

# The useful part of RFC 5322: a dot-atom local part, a domain with a top level of letters.
_ADDRESS = (
    r"[a-z0-9!#$%&''*+/=?^_`{|}~\p{L}-]+(\.[a-z0-9!#$%&''*+/=?^_`{|}~\p{L}-]+)*"
    r"@([\p{L}0-9]([\p{L}0-9-]*[\p{L}0-9])?\.)+(xn--[a-z0-9-]+|\p{L}{2,})"
)


def normalised_email(expression: str) -> str:
    """SQL: the address in lower case without `mailto:`, a display name, brackets and a trailing dot, or null."""
    addressed = f"regexp_replace(lower({expression}), '^[^<>]*<([^<>]+)>[\\s;,]*$', '\\1')"
    bare = f"regexp_replace(regexp_replace({addressed}, '^(mailto:|<)+', ''), '[>.;,]+$', '')"
    bare = f"replace({bare}, ' ', '')"
    return f"case when regexp_full_match({bare}, '{_ADDRESS}') then {bare} end"
