"""The words by which consent, support tickets and events are known: names of columns and words of values.

Belongs here: reading `data/roles.yaml`, and comparing words as its head says, in Python and in SQL. Does not belong here:
deciding what a file holds (see `role_columns`).
"""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROLES_FILE = Path(__file__).parent / "data" / "roles.yaml"
_OTHER_SIGNS = r"[^\p{L}\p{N}]+"
"""What is not part of a word, as DuckDB writes it; dbt's macro plain_word has the same."""


@dataclass(frozen=True)
class RoleWords:
    """The word lists of one version of the file."""

    columns: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Role to attribute to names of columns, best first."""
    granting: tuple[str, ...]
    refusing: tuple[str, ...]
    details: frozenset[str]
    event_calls: frozenset[str]
    plain_no: tuple[str, ...]
    values: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Kind of word (`answers`, `purposes`, ...) to meaning to the words for it."""

    def meaning(self, kind: str, value: str) -> str | None:
        """What a value means among the words of a kind; None for a word that is not listed."""
        word = plain_word(value)
        return next((meaning for meaning, words in self.values[kind].items() if word in words), None)

    def of(self, kind: str, meaning: str) -> tuple[str, ...]:
        """The words for a meaning."""
        return self.values[kind][meaning]

    def all_of(self, kind: str) -> tuple[str, ...]:
        """Every word of a kind."""
        return tuple(word for words in self.values[kind].values() for word in words)


_VALUES = (
    "answers", "purposes", "channels", "legal_bases", "ticket_status", "ticket_channel", "satisfaction", "event_names",
    "platforms",
)  # fmt: skip


@cache
def role_words() -> RoleWords:
    """The word lists, read once."""
    raw: dict[str, Any] = yaml.safe_load(ROLES_FILE.read_text(encoding="utf-8"))
    return RoleWords(
        columns={
            role: {name: _words(names) for name, names in attributes.items()}
            for role, attributes in raw["columns"].items()
        },
        granting=_words(raw["answering"]["granting"]),
        refusing=_words(raw["answering"]["refusing"]),
        details=frozenset(_words(raw["answering"]["details"])),
        event_calls=frozenset(_words(raw["event_calls"])),
        plain_no=_words(raw["plain_no"]),
        values={kind: {str(meaning): _words(words) for meaning, words in raw[kind].items()} for kind in _VALUES},
    )


def _words(items: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item) for item in items))


def plain_word(value: str) -> str:
    """A value as the lists write it: `Opted-out!` is `opted_out`."""
    return re.sub(r"[\W_]+", "_", value.lower()).strip("_")


def plain_word_sql(expression: str) -> str:
    """SQL (of a dbt model) that makes the same of a text column."""
    return f"{{{{ plain_word({expression!r}) }}}}"


def plain_word_duckdb(expression: str) -> str:
    """The same as SQL that DuckDB reads as it stands, for the rules of a contract."""
    return f"trim(regexp_replace(lower({expression}), '{_OTHER_SIGNS}', '_', 'g'), '_')"


def meaning_sql(kind: str, expression: str, otherwise: str, *, only: Sequence[str] | None = None) -> str:
    """SQL (of a dbt model) of a value's meaning: a `case` over the words of the kind.

    Args:
        otherwise: SQL for a word that is in no list; `{word}` stands for the plain word.
        only: the meanings that are told apart; all by default.
    """
    words = role_words().values[kind]
    plain = plain_word_sql(expression)
    lines = [
        f"    when {plain} in ({listed_words(words[meaning])}    )\n        then {_quoted(meaning)}"
        for meaning in (only if only is not None else words)
    ]
    return "\n".join(["case", *lines, f"    else {otherwise.format(word=plain)}", "end"])


def listed_words(words: Sequence[str]) -> str:
    """The words in quotes, in lines of their own, for a list in brackets behind a `when`."""
    lines = textwrap.wrap(", ".join(map(_quoted, words)), 96)
    return "\n" + "".join(f"        {line}\n" for line in lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
