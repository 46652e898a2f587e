"""What each published column may show: privacy words read from dbt's manifest and turned into SQL.

Belongs here: the privacy words, their meaning, and where they are read from. Does not belong here: writing the file
(`analytics.py`), or the words of particular columns, which stand in the models' yml beside the columns.

The words of `meta: {privacy: ...}`:

| word | published as |
|---|---|
| `clear` | the value as it is |
| `token`, `token:<kind>` | a keyed token; its kind is the column's name unless another is named, so that columns that hold one kind of value under two names still join. All customer ids are of one kind, whatever stands before `customer_id`; so are household ids and record ids |
| `year` | the year of a date or timestamp, an integer |
| `common`, `common:<n>` | the value where at least n (10) rows of the table share it, nothing elsewhere: for places and other values that are telling when they are rare |
| `prefix`, `prefix:<n>` | the first n (3) characters, and never the last two, so that a short postcode is not published whole |
| `drop` | not at all; a table of which every column is dropped is not published |

A column that by its name holds an id or a value of one person is never `clear`: an id that other systems know, or that
can be computed, undoes every token beside it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from orchestration.privacy.pseudonyms import token_sql
from orchestration.publishing.errors import PublishingError, UnknownPrivacyError

PUBLISHED_SCHEMAS = ("marts", "analysis")
_WORD = re.compile(r"(?P<action>clear|token|year|prefix|common|drop)(?::(?P<argument>[a-z0-9_]+))?")
_PREFIX_LENGTH = 3
_ALWAYS_CUT = 2
_COMMON_ROWS = 10
_ID_OF_A_PERSON = re.compile(
    r"(?:^|_)(customer|household|record|order|ticket|interaction|event|anonymous|user|device|session|visitor|consent_event"
    r"|national)_id(?:_[lr])?$"
)
_VALUE_OF_A_PERSON = re.compile(
    r"^(email|phone|given_name|middle_name|family_name|full_name|birth_date|street|unit|address|postcode|subject|body|bio"
    r"|handle|url|properties|ip_address|user_agent|identifier|note|notes|comment)$"
)
# A source's own record id is another value than the record id, which has the source's name in front.
_SHARED_KIND = re.compile(r"(?:^|(?<!source)_)(customer|household|record)_id(?:_[lr])?$")
_RELATIONS = ("model", "snapshot", "seed")


@dataclass(frozen=True)
class PrivacyRule:
    """One column's privacy word, understood."""

    action: str
    argument: str | None = None

    @property
    def word(self) -> str:
        """The word as it stands in the model's yml."""
        return self.action if self.argument is None else f"{self.action}:{self.argument}"

    @property
    def uses_key(self) -> bool:
        return self.action == "token"

    def note(self) -> str:
        """What was done to the values, for the column's comment."""
        match self.action:
            case "token":
                return "Keyed token instead of the value: equal values have equal tokens."
            case "year":
                return "Year only."
            case "prefix":
                return f"First {self.argument or _PREFIX_LENGTH} characters only."
            case "common":
                return f"Only where at least {self.argument or _COMMON_ROWS} rows share the value."
            case _:
                return ""

    def sql(self, column: str, data_type: str, where: str) -> str:
        """The DuckDB expression of what is published.

        Raises:
            UnknownPrivacyError: the word does not fit the column's type.
        """
        quoted = quote(column)
        match self.action:
            case "token":
                return token_sql(quoted, self.argument or token_kind(column))
            case "year":
                if not data_type.startswith(("DATE", "TIMESTAMP")):
                    raise UnknownPrivacyError(
                        f"{where} is {data_type}, and its privacy word is `year`, which needs a date or a timestamp. "
                        "Cast it in the model, or choose token or drop."
                    )
                return f"cast(year({quoted}) as smallint)"
            case "prefix":
                if not data_type.startswith("VARCHAR"):
                    raise UnknownPrivacyError(
                        f"{where} is {data_type}, and its privacy word is `prefix`, which needs text. "
                        "Cast it in the model, or choose token or drop."
                    )
                length = int(self.argument or _PREFIX_LENGTH)
                return f"nullif(left({quoted}, least({length}, greatest(length({quoted}) - {_ALWAYS_CUT}, 0))), '')"
            case "common":
                rows = int(self.argument or _COMMON_ROWS)
                return f"case when count(*) over (partition by {quoted}) >= {rows} then {quoted} end"
            case _:
                return quoted


@dataclass(frozen=True)
class TableText:
    """What dbt says about a table: shown to analysts as comments in the published file."""

    description: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


def quote(identifier: str) -> str:
    """An identifier as SQL."""
    return '"' + identifier.replace('"', '""') + '"'


def token_kind(column: str) -> str:
    """The kind of a column's tokens when its word names none: tokens of one kind join."""
    found = _SHARED_KIND.search(column.lower())
    return f"{found[1]}_id" if found else column.lower()


def column_rule(column: str, word: object, table: str) -> PrivacyRule:
    """Understand the privacy word of a column, and see that it fits what the column's name says it holds.

    Raises:
        UnknownPrivacyError: the word is missing or unknown, or shows ids or values of single people.
    """
    where = f"Column {column} of {table}"
    rule = parse_privacy(word, where)
    name = column.lower()
    if rule.action == "clear" and (_ID_OF_A_PERSON.search(name) or _VALUE_OF_A_PERSON.match(name)):
        raise UnknownPrivacyError(
            f"{where} holds an id or a value of single people by its name, and its privacy word is `clear`, so nothing is "
            "published. Use token (ids of customers, households and records still join), a generalising word, or drop."
        )
    return rule


def parse_privacy(word: object, where: str) -> PrivacyRule:
    """Understand a privacy word.

    Raises:
        UnknownPrivacyError: the word is missing or unknown; the message names `where` it should stand.
    """
    found = _WORD.fullmatch(word.strip()) if isinstance(word, str) else None
    rule = PrivacyRule(found["action"], found["argument"]) if found else None
    if rule is None or not _argument_fits(rule):
        said = "has no privacy word" if word in (None, "") else f"has the unknown privacy word {word!r}"
        raise UnknownPrivacyError(
            f"{where} {said}, so nothing is published. Give the column "
            "`meta: {privacy: token|year|prefix|common|drop|clear}` in its model's yml (token:<kind>, prefix:<n> and "
            "common:<n> are allowed too); use drop when in doubt."
        )
    return rule


def column_privacy(manifest_path: Path) -> dict[str, dict[str, str]]:
    """The privacy word of every documented column of the schemas marts and analysis.

    Args:
        manifest_path: dbt's `manifest.json`.

    Returns:
        `{"marts.dim_customer": {"email": "token", ...}, ...}`.

    Raises:
        UnknownPrivacyError: a column has no privacy word, or an unknown one.
        PublishingError: the manifest is missing or is none.
    """
    words: dict[str, dict[str, str]] = {}
    for table, node in published_nodes(manifest_path):
        words[table] = {}
        for column, entry in node.get("columns", {}).items():
            words[table][column] = column_rule(column, meta_of(entry).get("privacy"), table).word
    return words


def table_texts(manifest_path: Path) -> dict[str, TableText]:
    """The descriptions of every table of the schemas marts and analysis, by `schema.table`.

    Raises:
        PublishingError: the manifest is missing or is none.
    """
    return {
        table: TableText(
            description=node.get("description", ""),
            columns={name: entry.get("description", "") for name, entry in node.get("columns", {}).items()},
        )
        for table, node in published_nodes(manifest_path)
    }


def published_nodes(manifest_path: Path) -> Sequence[tuple[str, dict[str, Any]]]:
    """Every relation of marts and analysis in dbt's manifest, by `schema.table`. Raises PublishingError."""
    try:
        return _published_nodes(manifest_path, manifest_path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PublishingError(
            f"dbt's manifest cannot be read from {manifest_path} ({error}). Run `dbt parse`, or `kindred run`."
        ) from error


@lru_cache(maxsize=1)
def _published_nodes(manifest_path: Path, written: int) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Read once per written manifest: its megabytes are asked for five times in a run."""
    nodes = json.loads(manifest_path.read_text(encoding="utf-8"))["nodes"]
    return tuple(
        (f"{node['schema']}.{node.get('alias') or node['name']}", node)
        for _, node in sorted(nodes.items())
        if node.get("resource_type") in _RELATIONS
        and node.get("config", {}).get("materialized") != "ephemeral"
        and node.get("config", {}).get("enabled", True)
        and node.get("schema") in PUBLISHED_SCHEMAS
    )


def meta_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The meta of a column or a model, where dbt keeps it: `config.meta` since 1.10, `meta` before and beside it."""
    return {**(entry.get("meta") or {}), **((entry.get("config") or {}).get("meta") or {})}


def _argument_fits(rule: PrivacyRule) -> bool:
    match rule.action:
        case "token":
            return rule.argument is None or rule.argument[0].isalpha()
        case "prefix" | "common":
            return rule.argument is None or (rule.argument.isdigit() and int(rule.argument) > 0)
        case _:
            return rule.argument is None
