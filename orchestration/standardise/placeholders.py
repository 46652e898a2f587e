"""Values that stand for "no value", and the test for them.

What belongs here: reading `data/placeholders.yaml` and turning its rules into SQL conditions.
What does not: the values themselves (data), and values that are only too frequent, which
linkage finds from the records.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from orchestration.standardise.errors import StandardiseError
from orchestration.standardise.text import sql_literal

RULES_FILE = Path(__file__).parent / "data" / "placeholders.yaml"


@dataclass(frozen=True)
class PlaceholderRule:
    """One dated rule: the fields it guards and the values or patterns that mean nothing."""

    fields: tuple[str, ...]
    values: tuple[str, ...]
    patterns: tuple[str, ...]
    since: date
    reason: str


@cache
def placeholder_rules(path: Path = RULES_FILE) -> tuple[PlaceholderRule, ...]:
    """The rules of the data file. Raises StandardiseError when one lacks a part."""
    import yaml

    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    rules = []
    for number, entry in enumerate(document.get("rules", []), start=1):
        missing = [key for key in ("fields", "since", "reason") if not entry.get(key)]
        if missing or not (entry.get("values") or entry.get("patterns")):
            raise StandardiseError(
                f"{path.name}: rule {number} lacks {', '.join(missing) or 'values or patterns'}; "
                "every rule has fields, values or patterns, since and reason"
            )
        rules.append(
            PlaceholderRule(
                fields=tuple(entry["fields"]),
                values=tuple(str(value) for value in entry.get("values", ())),
                patterns=tuple(str(pattern) for pattern in entry.get("patterns", ())),
                since=entry["since"],
                reason=" ".join(str(entry["reason"]).split()),
            )
        )
    return tuple(rules)


def is_placeholder(field: str, expression: str) -> str:
    """SQL: true when the expression holds a placeholder of that field (false for null)."""
    rules = [rule for rule in placeholder_rules() if field in rule.fields]
    text = f"lower(cast({expression} as varchar))"
    values = sorted({value for rule in rules for value in rule.values})
    patterns = sorted({pattern for rule in rules for pattern in rule.patterns})
    tests = []
    if values:
        tests.append(f"{text} in ({', '.join(map(sql_literal, values))})")
    if patterns:
        joined = "|".join(f"(?:{pattern})" for pattern in patterns)
        tests.append(f"regexp_full_match({text}, {sql_literal(joined)})")
    return f"coalesce({' or '.join(tests)}, false)" if tests else "false"
