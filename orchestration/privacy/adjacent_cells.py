"""Values that seem to stand in a database's bytes where one cell ends and the next begins: they are no leftovers.

Belongs here: telling such places. Does not belong here: the search that came upon them (`scan.py`), and longer values of
others in which a value stands as a whole (`namesakes.py`).

DuckDB writes the texts of a column one behind the other. `Piazza Cavour 4` beside `58 Church Street` reads as `Piazza Cavour
45`, and among a million rows some neighbours make up somebody's address. Such a place is told by the cells themselves: one
that is there ends within the value, and another begins there and goes on behind the value's end. What is left of an erased
cell is followed by a cell that begins where it ends, and is not explained so.
"""

import mmap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.duckdb_files import opened
from orchestration.privacy.namesakes import Namesakes
from orchestration.privacy.relations import relations
from orchestration.sources.names import quote

if TYPE_CHECKING:
    import duckdb

# A shorter cell may be met by chance, a longer one is not looked for, and a value that stands in more places is a finding.
_SHORTEST, _LONGEST, _MOST = 6, 240, 40


@dataclass(frozen=True)
class _Place:
    """A value in its surroundings."""

    content: bytes
    at: int
    size: int

    def splits(self) -> Iterator[tuple[set[str], set[str]]]:
        """For each place within the value: what a cell that ends there may be, and one that begins there."""
        for cut in range(self.at + 1, self.at + self.size):
            before = range(max(0, cut - _LONGEST), min(self.at, cut - _SHORTEST) + 1)
            behind = range(max(self.at + self.size, cut + _SHORTEST - 1) + 1, cut + _LONGEST + 1)
            yield (
                _texts(self.content[begin:cut] for begin in before),
                _texts(self.content[cut:end] for end in behind if end <= len(self.content)),
            )


def across_cells(path: Path, values: Collection[bytes], others: Namesakes) -> set[bytes]:
    """The values that stand in the bytes of a DuckDB file only across two of its cells, or within longer values of others."""
    places = {value: _places(path, value, others) for value in values}
    candidates = {
        text
        for found in places.values()
        if len(found) <= _MOST
        for place in found
        for split in place.splits()
        for texts in split
        for text in texts
    }
    cells: set[str] = set()
    if candidates:
        with opened(path, read_only=True) as con:
            cells = _cells_among(con, candidates)
    return {
        value
        for value, found in places.items()
        if len(found) <= _MOST
        and all(any(ends & cells and begins & cells for ends, begins in place.splits()) for place in found)
    }


def _places(path: Path, value: bytes, others: Namesakes) -> list[_Place]:
    """Where the value stands by itself, no more than one above the limit."""
    found: list[_Place] = []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(value)
        while at >= 0 and len(found) <= _MOST:
            begin = max(0, at - _LONGEST)
            place = _Place(content[begin : at + len(value) + _LONGEST], at - begin, len(value))
            if not others.explain(place.content, value, place.at):
                found.append(place)
            at = content.find(value, at + 1)
    return found


def _texts(parts: Iterator[bytes]) -> set[str]:
    found = set()
    for part in parts:
        try:
            found.add(part.decode())
        except UnicodeDecodeError:
            continue
    return found


def _cells_among(con: "duckdb.DuckDBPyConnection", candidates: Collection[str]) -> set[str]:
    import pyarrow as pa

    con.register("candidate_cells", pa.table({"candidate": pa.array(sorted(candidates), pa.string())}))
    cells: set[str] = set()
    for item in relations(con):
        for name in item.texts:
            rows = con.execute(
                f"select distinct value from (select {quote(name)}::varchar as value from {item.sql}) as found "
                f"semi join candidate_cells on found.value = candidate_cells.candidate"
            ).fetchall()
            cells.update(row[0] for row in rows)
    con.unregister("candidate_cells")
    return cells
