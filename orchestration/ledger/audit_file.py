"""The audit log as a file that anybody can verify without Kindred: JSON Lines with hashes.

Belongs here: writing the chain to a file and proving such a file whole. Does not belong here: the chain itself
(`audit.py`).

One entry a line, in order: `seq`, `at` (UTC, ISO 8601 with microseconds), `actor`, `action`, `subject`, `details`,
`previous_hash`, `hash`. The last line is `{"head": {"seq": n, "hash": h}}`.

To verify: start with `previous` = sixty-four zeros and `number` = 0. For each entry, in order:
1. `seq` must be `number` + 1, and `previous_hash` must be `previous`;
2. take `{at, actor, action, subject, details, seq}` as JSON with sorted keys, `,` and `:` as separators without blanks and
   everything outside ASCII as `\\uXXXX`; append `previous`; the SHA-256 of that, in hexadecimal, must be `hash`;
3. `previous` = `hash`, `number` = `seq`.
At the end `head` must be `number` and `previous`. Whoever can change the file can change all of it: compare the head with
one noted elsewhere (`kindred audit verify --file FILE --head HASH`).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.ledger.audit import NO_HASH, AuditEntry, Head, broken_links
from orchestration.ledger.errors import LedgerError

_FIELDS = {
    "seq": int,
    "at": str,
    "actor": str,
    "action": str,
    "subject": str,
    "details": dict,
    "previous_hash": str,
    "hash": str,
}


def export_lines(chain: Iterable[AuditEntry], head: Head) -> Iterator[str]:
    """The lines of the file, each without its line end."""
    for entry in chain:
        content = {**entry.__dict__, "at": entry.at.isoformat(timespec="microseconds")}
        yield json.dumps(content, sort_keys=True, ensure_ascii=True)
    yield json.dumps({"head": {"seq": head.seq, "hash": head.hash}})


def verify_file(path: Path, expected_head: str | None = None) -> tuple[list[str], Head]:
    """Walk an exported file.

    Args:
        expected_head: a hash noted earlier, which some entry must still have.

    Returns:
        The problems found, in words, none when the file is whole; and the head that the file names.

    Raises:
        LedgerError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path} cannot be read: {error}") from error
    return verify_lines(lines, expected_head)


def verify_lines(lines: Sequence[str], expected_head: str | None = None) -> tuple[list[str], Head]:
    """The same for the lines of a file."""
    problems: list[str] = []
    chain: list[AuditEntry] = []
    head: Head | None = None
    for number, line in enumerate(lines, start=1):
        content = _parsed(line)
        found_head = content.get("head") if set(content) == {"head"} else None
        if head is not None:
            problems.append(f"line {number} stands behind the head")
        elif isinstance(found_head, dict):
            head = Head(found_head.get("seq", -1), str(found_head.get("hash")))
        elif (entry := _entry(content)) is not None:
            chain.append(entry)
        else:
            problems.append(f"line {number} is no entry: it lacks a field, has one too many, or is no JSON")
    problems += broken_links(chain)
    last = Head(chain[-1].seq, chain[-1].hash) if chain else Head(0, NO_HASH)
    if head is None:
        problems.append("the head is missing: entries may have been cut off the end")
    elif head != last:
        problems.append(f"the head is entry {head.seq}, but the last entry is {last.seq}, or its hash is another")
    if expected_head is not None and expected_head not in {entry.hash for entry in chain}:
        problems.append(f"no entry has the hash {expected_head} that was noted: the chain was cut or written anew")
    return problems, head or last


def _parsed(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _entry(content: dict[str, Any]) -> AuditEntry | None:
    """The entry, in the very form that was hashed; anything else is none."""
    if set(content) != set(_FIELDS) or any(type(content[name]) is not kind for name, kind in _FIELDS.items()):
        return None
    try:
        at = datetime.fromisoformat(content["at"])
    except ValueError:
        return None
    if at.isoformat(timespec="microseconds") != content["at"]:
        return None
    return AuditEntry(**{**content, "at": at})
