"""Which column of a file feeds which attribute.

What belongs here: the proposal of a mapping from names of columns, and checking a mapping that
a person gave. What does not: reading files, and values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from orchestration.linkage.errors import LinkageError
from orchestration.linkage.forms import DATA

RULES_FILE = DATA / "columns.yaml"

# What `--map` may name on its left-hand side.
TARGETS = (
    "given_name", "middle_name", "family_name", "full_name", "birth_date", "birth_year",
    "birth_month", "birth_day", "age", "gender", "email", "phone", "house_number", "street",
    "full_address", "po_box", "unit", "city", "region", "postcode", "country", "national_id",
)  # fmt: skip


@dataclass(frozen=True)
class ColumnMapping:
    """Attribute to column of the file, columns that count as weak evidence, and ignored ones."""

    attributes: Mapping[str, str]
    extras: tuple[str, ...]
    ignored: tuple[str, ...]

    def lines(self) -> list[str]:
        """The mapping in words, one line per column, for people to check."""
        told = [f"{column} -> {attribute}" for attribute, column in self.attributes.items()]
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
    attribute, the name listed first in `columns.yaml` wins and the others stay weak evidence.

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
    by_name = {_plain(column): column for column in reversed(free)}
    for attribute, names in _document()["columns"].items():
        if attribute in attributes:
            continue
        found = next((by_name[name] for name in names if name in by_name), None)
        if found is not None:
            attributes[attribute] = found
            by_name = {name: column for name, column in by_name.items() if column != found}
    rest = [c for c in free if c not in attributes.values()]
    ignored = tuple(c for c in rest if _plain(c) in _document()["ignored"])
    return ColumnMapping(
        attributes={name: attributes[name] for name in TARGETS if name in attributes},
        extras=tuple(column for column in rest if column not in ignored),
        ignored=ignored,
    )


def _plain(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
