"""A person's distinctive values: what a search for leftovers looks for.

Belongs here: gathering the values of a closure, leaving out what other people have too, and finding values in bytes and
text. Does not belong here: where to look (see `scan` and `text_stores`).

A value is distinctive when no row of anybody else has it and when it is long enough not to be met by chance. A given name
that others share cannot be searched for, and needs no search: it says nothing without the rows that are gone.
"""

import html
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.privacy.links import is_distinctive
from orchestration.privacy.namesakes import Namesakes
from orchestration.privacy.relations import ENDED_IDS, IS_MARKED, RECORDS, Relation, mark_rows, relations
from orchestration.privacy.word_search import ByteSearch, is_inside, is_long
from orchestration.sources.names import quote

if TYPE_CHECKING:
    import duckdb

ERASED = "[erased]"
NOBODY = Namesakes()
_CODE = (".py", ".sql", ".yml", ".yaml", ".csv", ".md", ".css")
_VALUES = "erased_values"
_SHARED = "shared_values"
_SEARCHED_SCHEMAS = ("raw", "quarantine", "snapshots", "cleansing", "marts", "integration", "resolution")
_ESCAPES = (b"n", b"r", b"t")
_TEXT_IN_JSON = r'"((?:[^"\\]|\\.)*)"'
# The loader's and the gates' own words are nobody's.
_OWN_WORDS = ("_file", "file", "check_name", "column_name", "run_id", "reason", "table_name", "source", "sources")
# The keys of a document are Kindred's words.
_JSON_KEY = r'"(?:[^"\\]|\\.)*"\s*:'


@dataclass(frozen=True)
class Traces:
    """Texts to search for; `shared` is how many values were left out because others have them too."""

    values: frozenset[str]
    shared: int = 0

    def without_words_of(self, folders: Iterable[Path]) -> "Traces":
        """The same without what stands in Kindred's own files: a person's word that is also a column's name."""
        known: set[bytes] = set()
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.suffix in _CODE:
                    known |= self.found_in(path.read_bytes())
        kept = frozenset(value for value in self.values if not (self._forms[value] & known))
        return Traces(kept, self.shared + len(self.values) - len(kept))

    def found_in(self, content: bytes, others: Namesakes = NOBODY) -> set[bytes]:
        """The spellings that stand in the text as whole words, where they are no part of somebody else's value."""
        return {
            written
            for written in self._search.found_in(content)
            if next(_places(content, written, others), None) is not None
        }

    def found_inside(self, content: bytes, others: Namesakes = NOBODY) -> set[bytes]:
        """The spellings that stand in the bytes of a binary file, whatever stands around them: those that are long enough."""
        return {
            written
            for written in self._anywhere.found_in(content)
            if any(not others.explain(content, written, at) for at in _occurrences(content, written))
        }

    def values_of(self, spelt: Iterable[bytes]) -> set[str]:
        """The values that were found in these spellings."""
        wanted = set(spelt)
        return {value for value, forms in self._forms.items() if wanted & forms}

    @cached_property
    def _spelt(self) -> frozenset[bytes]:
        return frozenset(written for forms in self._forms.values() for written in forms)

    @cached_property
    def _forms(self) -> dict[str, set[bytes]]:
        return {value: spellings(value) for value in self.values}

    @cached_property
    def _search(self) -> ByteSearch:
        return ByteSearch(self._spelt)

    @cached_property
    def _anywhere(self) -> ByteSearch:
        return ByteSearch([written for written in self._spelt if is_long(written)])

    def redact(self, content: bytes) -> tuple[bytes, int]:
        """The bytes with every value replaced, and how many places were."""
        spans = sorted(
            (at, -len(written))
            for written in self._search.found_in(content)
            for at in _places(content, written, NOBODY)
        )
        kept: list[bytes] = []
        places = end = 0
        for at, size in spans:
            if at >= end:
                kept += [content[end:at], ERASED.encode()]
                places, end = places + 1, at - size
        return b"".join([*kept, content[end:]]), places


def _occurrences(content: bytes, written: bytes) -> Iterator[int]:
    at = content.find(written)
    while at >= 0:
        yield at
        at = content.find(written, at + 1)


def _places(content: bytes, written: bytes, others: Namesakes) -> Iterator[int]:
    """Where a spelling stands as whole words: "Anna Berg" does not stand in "Johanna Bergmann"."""
    for at in _occurrences(content, written):
        end = at + len(written)
        behind = end < len(content) and is_inside(content[end]) and is_inside(written[-1])
        if not behind and _may_begin(content, written, at) and not others.explain(content, written, at):
            yield at


def _may_begin(content: bytes, written: bytes, at: int) -> bool:
    """Whether a word may begin at a place. The n of a line's end written as `\\n` is no letter of a word."""
    if at == 0 or not is_inside(written[0]):
        return True
    if content[at - 1 : at] == b"\\":
        return written[:1] not in _ESCAPES
    return not is_inside(content[at - 1]) or (content[at - 1 : at] in _ESCAPES and content[at - 2 : at - 1] == b"\\")


def values_only(expression: str) -> str:
    """SQL: the text of a document without the keys of its objects."""
    return f"regexp_replace({expression}::varchar, '{_JSON_KEY}', '', 'g')"


def spellings(value: str) -> set[bytes]:
    """How a text stands in UTF-8 files: as it is, in JSON (once and twice escaped) and in HTML."""
    return set(ways_to_write(value))


def ways_to_write(value: str) -> tuple[bytes, ...]:
    """The spellings in the order of the ways: two values in the same place are written in the same way."""
    once = json.dumps(value)[1:-1]
    twice = json.dumps(once)[1:-1]
    plain = json.dumps(value, ensure_ascii=False)[1:-1]
    pages = (html.escape(value), html.escape(value, quote=False))
    return tuple(text.encode(errors="surrogatepass") for text in (value, once, twice, plain, *pages))


def collect_traces(con: "duckdb.DuckDBPyConnection", extra: Iterable[str] = ()) -> Traces:
    """The values of the closure in the temporary tables. Other temporary tables than `erased_values` stay."""
    con.execute(f"create or replace temp table {_VALUES} (value varchar)")
    # What remembers that ids were given holds ids of its own; the people's own are told in `extra`.
    searched = [
        item
        for item in relations(con)
        if item.schema in _SEARCHED_SCHEMAS and item.label not in ENDED_IDS and item.condition("held")
    ]
    for item in searched:
        if mark_rows(con, item):
            for values in _texts(item, IS_MARKED):
                con.execute(f"insert into {_VALUES} select distinct value from ({values}) where length(value) >= 6")
    con.execute(f"insert into {_VALUES} select record_id from {RECORDS}")
    con.execute(f"insert into {_VALUES} select substr(record_id, strpos(record_id, ':') + 1) from {RECORDS}")
    con.execute(f"create or replace temp table {_VALUES} as select distinct value from {_VALUES}")
    before = _count(con)
    con.execute(f"create or replace temp table {_SHARED} (value varchar)")
    for item in searched:
        if item.says_all:
            mark_rows(con, item)
            for values in _texts(item, f"not ({IS_MARKED})"):
                con.execute(
                    f"insert into {_SHARED} select distinct value from ({values}) semi join {_VALUES} using (value)"
                )
    con.execute(f"delete from {_VALUES} where value in (select value from {_SHARED}); drop table {_SHARED}")
    shared = before - _count(con)
    rows = con.execute(f"select value from {_VALUES} order by value").fetchall()
    con.execute(f"drop table {_VALUES}")
    kept = {value for (value,) in rows if is_distinctive(value)} | {text for text in extra if is_distinctive(text)}
    return Traces(frozenset(kept), shared)


def _count(con: "duckdb.DuckDBPyConnection") -> int:
    return con.execute(f"select count(*) from {_VALUES}").fetchall()[0][0]


def _texts(item: Relation, which: str) -> Iterator[str]:
    """SQL of the texts in the rows of `held` that meet a condition, column by column: as a list that is unnested they would
    take twice as long. A document gives the texts within it, and is read once however often it is said."""
    for name in item.texts:
        if name in _OWN_WORDS or (not item.says_all and not name.endswith("_id")):
            continue
        rows = f"from {item.sql} as held where {which}"
        if item.columns[name].startswith("JSON"):
            texts = f"unnest(regexp_extract_all({values_only('document')}, '{_TEXT_IN_JSON}', 1))"
            yield f"select {texts} as value from (select distinct held.{quote(name)} as document {rows})"
        else:
            yield f"select held.{quote(name)}::varchar as value {rows}"
