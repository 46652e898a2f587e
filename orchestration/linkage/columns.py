"""Which column of a file feeds which attribute.

What belongs here: the proposal of a mapping from names of columns, and checking a mapping that
a person gave. What does not: reading files, and values (evidence.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from orchestration.linkage.errors import LinkageError
from orchestration.linkage.forms import DATA

RULES_FILE = DATA / "columns.yaml"

# What `--map` may name on its left-hand side.
TARGETS = (
    "given_name", "middle_name", "family_name", "full_name", "organisation", "birth_date", "birth_year",
    "birth_month", "birth_day", "age", "gender", "email", "phone", "house_number", "street",
    "full_address", "po_box", "unit", "city", "region", "postcode", "country", "national_id",
)  # fmt: skip
# Attributes that a record may have several of, in several columns.
REPEATABLE = ("email", "phone", "national_id")


@dataclass(frozen=True)
class ColumnMapping:
    """Attribute to column of the file, columns that count as weak evidence, and ignored ones.

    `further` names second and later columns of an attribute (`mobile` beside `phone`).
    """

    attributes: Mapping[str, str]
    extras: tuple[str, ...]
    ignored: tuple[str, ...]
    further: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The mapping in words, one line per column, for people to check."""
        told = [f"{column} -> {attribute}" for attribute, column in self.attributes.items()]
        told += [f"{column} -> {attribute} (further)" for attribute, more in self.further.items() for column in more]
        told += [f"{column} -> weak evidence" for column in self.extras]
        return told + [f"{column} -> not used" for column in self.ignored]


@cache
def _document() -> dict[str, Any]:
    import yaml

    document: dict[str, Any] = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
    return document


def map_columns(
    columns: Sequence[str],
    reserved: Sequence[str],
    given: Mapping[str, str] | None = None,
) -> ColumnMapping:
    """Propose what each column feeds; `given` (attribute to column) overrides.

    `reserved` columns (ids, sources) feed nothing. When several columns have a name of one
    attribute, the name listed first in `columns.yaml` wins; the others are further e-mails,
    phones and identifiers, or stay weak evidence. Names are compared in lower case, plain ASCII
    and with `camelCase` taken apart; then without the owner or the number that they may carry
    (`customer_email`, `phone_2`).

    Raises LinkageError when `given` names an attribute or a column that does not exist.
    """
    attributes: dict[str, str] = {}
    for attribute, column in (given or {}).items():
        if attribute not in TARGETS:
            raise LinkageError(f"{attribute!r} is not an attribute; map one of {', '.join(TARGETS)}")
        if column not in columns:
            raise LinkageError(
                f"column {column!r} (mapped to {attribute}) is not in the file; it has {', '.join(columns)}"
            )
        attributes[attribute] = column
    free = [c for c in columns if c not in reserved and c not in attributes.values()]
    further: dict[str, list[str]] = {}
    for spelling in (_plain, _bare):
        left = [c for c in free if c not in attributes.values() and not any(c in more for more in further.values())]
        by_name: dict[str, list[str]] = {}
        for column in left:
            by_name.setdefault(spelling(column), []).append(column)
        for attribute, names in _document()["columns"].items():
            found = [column for name in names for column in by_name.get(name, ())]
            if found and attribute not in attributes:
                attributes[attribute] = found.pop(0)
            if attribute in REPEATABLE and found:
                further.setdefault(attribute, []).extend(found)
    if (
        "family_name" in attributes
        and "given_name" not in attributes
        and _plain(attributes.get("full_name", "")) == "name"
    ):
        attributes["given_name"] = attributes.pop("full_name")
    used = {*attributes.values(), *(column for more in further.values() for column in more)}
    rest = [c for c in free if c not in used]
    ignored = tuple(c for c in rest if _plain(c) in _document()["ignored"])
    return ColumnMapping(
        attributes={name: attributes[name] for name in TARGETS if name in attributes},
        extras=tuple(column for column in rest if column not in ignored),
        ignored=ignored,
        further={name: tuple(further[name]) for name in REPEATABLE if name in further},
    )


def _plain(column: str) -> str:
    from anyascii import anyascii

    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", anyascii(column))
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def _bare(column: str) -> str:
    words = _plain(column).split("_")
    if len(words) > 1 and words[0] in _document()["owners"]:
        words = words[1:]
    return re.sub(r"_?0*\d$", "", "_".join(words))
