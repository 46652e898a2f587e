"""Longer values of other people in which one of the erased person's stands: they are no leftovers.

Belongs here: finding them among the rows that are left, and telling whether a place in some bytes belongs to one. Does not
belong here: the search that came upon the place (`traces.py`, `scan.py`).

Anna Berg is erased, and Anna Berg-Schmidt is not; both live in High Street 12 and High Street 12a. What is within a longer
value of somebody else's row is that person's, and is looked up only when a search has come upon it. An address, a number
or an id (anything with `@` or five digits) must be part of a longer one: amid the words of somebody's text it is a leftover.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.privacy.relations import relations
from orchestration.sources.names import literal, quote

if TYPE_CHECKING:
    import duckdb

MOST = 20_000
"""Longer values that are looked at; with more of them the value is a common word, and its finding stands."""
_AT_ONCE = 200
_SEPARATORS = re.compile(r"[\s,;|\"'<>()\[\]{}]+")
_ENDS = ".:!?/-"
_TEXT_IN_JSON = r'"((?:[^"\\]|\\.)*)"'


@dataclass(frozen=True)
class Namesakes:
    """By the bytes of a value: where it stands in the bytes of longer ones."""

    longer: dict[bytes, frozenset[tuple[int, bytes]]] = field(default_factory=dict)

    def explain(self, content: bytes, written: bytes, at: int) -> bool:
        """Whether what stands at a place of the content belongs to a longer value."""
        return any(
            at >= offset and content.startswith(text, at - offset) for offset, text in self.longer.get(written, ())
        )


def find_namesakes(
    con: "duckdb.DuckDBPyConnection", values: Collection[str], files: Collection[Path] = ()
) -> Namesakes:
    """The longer values in the rows that the warehouse still has, from which the person's are gone.

    Args:
        files: Parquet files of which the same is true.
    """
    from orchestration.privacy.traces import ways_to_write

    found: dict[bytes, set[tuple[int, bytes]]] = {}
    wanted = sorted(values)
    for begin in range(0, len(wanted), _AT_ONCE):
        some = wanted[begin : begin + _AT_ONCE]
        for cell in _cells_with(con, some, files):
            for value in some:
                for text in _longer(value, cell):
                    for short, long in zip(ways_to_write(value), ways_to_write(text), strict=True):
                        places = found.setdefault(short, set())
                        places.update((match.start(), long) for match in re.finditer(re.escape(short), long))
    return Namesakes({written: frozenset(places) for written, places in found.items()})


def _longer(value: str, cell: str) -> list[str]:
    """What of a cell the value is a part of."""
    if value not in cell:
        return []
    parts = [cell]
    if "@" in value or sum(sign.isdigit() for sign in value) >= 5:
        parts = [word.strip(_ENDS) for word in _SEPARATORS.split(cell)]
    return [part for part in parts if value in part and part != value]


def _cells_with(con: "duckdb.DuckDBPyConnection", values: Collection[str], files: Collection[Path]) -> list[str]:
    pattern = "|".join(re.escape(value) for value in values)
    cells: set[str] = set()
    searched = [
        (item.sql, quote(name), item.columns[name]) for item in relations(con) if item.says_all for name in item.texts
    ]
    for path in files:
        source = f"read_parquet({literal(str(path))})"
        found = con.execute(f"describe from {source}").fetchall()
        searched += [(source, quote(row[0]), row[1]) for row in found if row[1] == "VARCHAR"]
    for source, column, kind in searched:
        of = f"unnest(regexp_extract_all({column}::varchar, '{_TEXT_IN_JSON}', 1))"
        value = column if kind == "VARCHAR" else of
        rows = con.execute(
            f"""
            select distinct value
            from (select {value} as value from {source} where regexp_matches({column}::varchar, $pattern))
            where regexp_matches(value, $pattern) limit {MOST}
            """,
            {"pattern": pattern},
        ).fetchall()
        cells.update(row[0] for row in rows)
    return sorted(cells)
