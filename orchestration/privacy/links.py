"""How a delivered row names its person: the columns of a raw table that lead to customer records.

Belongs here: reading that from the contracts, and the SQL of a row's record ids and identifiers. Does not belong here:
following them through the warehouse (see `closure`).
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestration.sources.contract import Contract, Table
from orchestration.sources.names import quote
from orchestration.standardise.email import normalised_email

# What staging puts before an id of web visitors to tell accounts (u-) from browsers (a-); see stg_web__customer_records.
VISITOR_PREFIXES = {"user_id": "u-", "anonymous_id": "a-"}
Reader = Callable[[str], str]
"""SQL of a raw column as text, given its name."""


@dataclass(frozen=True)
class TableLinks:
    """One raw table's ways to people."""

    table: Table
    record_columns: tuple[tuple[str, str], ...]
    """(column, what stands between `<source>:` and the column's value in the record id)."""
    visitor_columns: tuple[str, ...]
    """Columns with anonymous ids."""

    @property
    def name(self) -> str:
        """Without its schema."""
        return self.table.raw_name

    def by_semantic(self, semantic: str) -> tuple[str, ...]:
        """The columns that feed a canonical attribute."""
        return tuple(column.name for column in self.table.columns if column.semantic == semantic)

    def record_ids(self, read: Reader) -> list[str]:
        """SQL of each record id that the row may carry."""
        source = self.table.source
        ids = [f"'{source}:{prefix}' || {read(column)}" for column, prefix in self.record_columns]
        ids += [f"'{c.records_of}:' || {read(c.name)}" for c in self.table.columns if c.records_of is not None]
        if not self.by_semantic("source_record_id"):
            ids += [f"'{source}:' || lower(trim({read(column)}))" for column in self.by_semantic("email")]
        if not self.table.keys:
            # A row without a key is known by the hash of all that it holds: dbt's macro surrogate_id.
            parts = ", ".join(f"coalesce({read(column.name)}, chr(30))" for column in self.table.columns)
            ids.append(f"'{source}:' || md5(concat_ws(chr(31), {parts}))")
        return ids

    def visitors(self, read: Reader) -> list[str]:
        """SQL of the anonymous ids that the row carries."""
        return [read(column) for column in self.visitor_columns]

    def event_ids(self, read: Reader) -> list[str]:
        """SQL of the id under which staging keeps a row that a browser sent: its key behind the source."""
        if not self.visitor_columns or len(self.table.keys) != 1:
            return []
        return [f"'{self.table.source}:' || {read(self.table.keys[0].name)}"]

    def identifiers(self, read: Reader) -> list[tuple[str, str]]:
        """(kind, SQL) of the row's e-mail addresses, phones and national ids in the form in which they are compared."""
        forms = {"email": email_form, "phone": phone_form, "national_id": national_form}
        return [(kind, form(read(column))) for kind, form in forms.items() for column in self.by_semantic(kind)]


def email_form(expression: str) -> str:
    """SQL: the address as it is compared."""
    return normalised_email(f"trim({expression})")


def phone_form(expression: str) -> str:
    """SQL: the last nine digits, which national and international writing share; null for fewer than seven."""
    digits = f"regexp_replace({expression}, '[^0-9]', '', 'g')"
    return f"case when length({digits}) >= 7 then right({digits}, 9) end"


def national_form(expression: str) -> str:
    """SQL: letters and digits in upper case; null for fewer than five."""
    bare = f"upper(regexp_replace({expression}, '[^A-Za-z0-9]', '', 'g'))"
    return f"case when length({bare}) >= 5 then {bare} end"


def raw_reader(alias: str) -> Reader:
    """Reads a column of a raw table as text."""
    return lambda column: f"{alias}.{quote(column)}::varchar"


def json_reader(expression: str) -> Reader:
    """Reads a column out of a quarantined record."""
    return lambda column: f"({expression} ->> '{column}')"


def table_links(contracts: Iterable[Contract]) -> list[TableLinks]:
    """Every delivered table's ways to people."""
    found = []
    for contract in contracts:
        named = {c.name for table in contract.tables for c in table.columns if c.semantic == "source_record_id"}
        for table in contract.tables:
            records = [(c.name, "") for c in table.columns if c.semantic == "source_record_id" or c.name in named]
            records += [
                (c.name, VISITOR_PREFIXES[c.semantic])
                for c in table.columns
                if c.semantic in VISITOR_PREFIXES and c.name not in named
            ]
            visitors = tuple(c.name for c in table.columns if c.semantic == "anonymous_id")
            found.append(TableLinks(table, tuple(dict.fromkeys(records)), visitors))
    return found


_CELL_ENDS = re.compile(r"[,;|\t\"'{}\[\]()<>]+")


def known_by(line: str, source: str) -> set[tuple[str, str]]:
    """What a broken line of a source may name its person by: (kind, value) of each of its cells and words, as keys of
    tombstones are written (see `tombstone_keys.keys_sql`)."""
    cells = [cell.strip() for cell in _CELL_ENDS.split(line)]
    words = {part for cell in cells for word in (cell, *cell.split()) for part in (word, *word.split(":"))}
    found: set[tuple[str, str]] = set()
    for word in words:
        # A shorter one may be a house number.
        if len(word) < 6:
            continue
        digits = re.sub(r"\D", "", word)
        found |= {("email", word.lower().rstrip(".")), ("national_id", re.sub(r"[^A-Za-z0-9]", "", word).upper())}
        found |= {("record", f"{source}:{prefix}{word}") for prefix in ("", *VISITOR_PREFIXES.values())}
        found |= {("user", word), ("loyalty", word), ("visitor", word), ("event", f"{source}:{word}")}
        if len(digits) >= 7:
            found.add(("phone", digits[-9:]))
    return found


_SIGN = re.compile(r"[^\W_]")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?|\d{1,2}([/.-])\d{1,2}\2(\d{4}|\d{2})|[-\d:.TZ /+]{1,9}")


def is_distinctive(value: str) -> bool:
    """Whether a text can be looked for in files without meeting it by chance: long enough, no time, no short number."""
    return len(value) >= 6 and len(_SIGN.findall(value)) >= 5 and not _TIME.fullmatch(value)
