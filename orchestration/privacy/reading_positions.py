"""Positions of reading (`_state.json` beside a landed day) that would tell of an erased person.

Belongs here: putting the position one row back where its value is the person's, and emptying its marks. Does not belong
here: what a position means to a connector (`orchestration.sources.extract`).

A position is the greatest value of a column that was read, with hashes of the rows that have it. Where that value is the
person's (a source that is read by its ids), the greatest remaining value takes its place: the source then sends the
person's row once more, and the tombstone holds it back. Without marks the rows of the greatest value come once more, and
the newest load wins.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.privacy.relations import relation
from orchestration.privacy.traces import Traces
from orchestration.sources.contract import Contract, Table
from orchestration.sources.extract.errors import ExtractError
from orchestration.sources.extract.position import Cursor, Position
from orchestration.sources.extract.state import STATE_FILE, DayState, TableState, read_state
from orchestration.sources.names import quote

if TYPE_CHECKING:
    import duckdb


def move_positions_back(
    con: "duckdb.DuckDBPyConnection",
    tables: Sequence[tuple[Contract, Table]],
    landing: Path,
    traces: Traces,
    rewritten: Collection[str],
) -> int:
    """Mend every position that would tell of the person. Returns how many were.

    Args:
        con: to the warehouse, which the person's rows have left.
        rewritten: tables, without their schema, whose landed files held the person.
    """
    moved = 0
    sources = {contract.source for contract, _ in tables}
    for path in sorted(path for source in sources for path in (landing / source).glob(f"*/{STATE_FILE}")):
        try:
            state = read_state(path.parent)
        except ExtractError:
            # Told by the search when something of the person is in it, and by the next extraction in any case.
            continue
        parts: dict[str, TableState] = {}
        for _, table in (item for item in tables if item[0].source == path.parent.parent.name):
            found = state.tables.get(table.name)
            if found is None:
                continue
            held = table.raw_name in rewritten
            start = _mended(con, table, found, found.start, traces, held)
            end = _mended(con, table, found, found.end, traces, held)
            if (start, end) != (found.start, found.end):
                parts[table.name] = replace(found, start=start, end=end)
        if parts:
            DayState(tables={**state.tables, **parts}, seen=state.seen, taken=state.taken).write(path.parent)
            moved += len(parts)
    return moved


def _mended(
    con: "duckdb.DuckDBPyConnection",
    table: Table,
    state: TableState,
    position: Position | None,
    traces: Traces,
    held: bool,
) -> Position | None:
    if position is None:
        return None
    if isinstance(position.cursor, str | int) and str(position.cursor) in traces.values:
        before = _greatest_before(con, table, state.cursor, position.cursor)
        return None if before is None else Position(before, frozenset())
    # Which of the marks is the person's cannot be told: they are hashes of rows that are gone.
    return replace(position, marks=frozenset()) if held and position.marks else position


def _greatest_before(
    con: "duckdb.DuckDBPyConnection", table: Table, column: str | None, cursor: Cursor
) -> Cursor | None:
    """The greatest value of the column that is still held, below the person's; None: the table is read from its beginning."""
    held = relation(con, f"raw.{table.raw_name}")
    if held is None or column is None or column not in held.columns:
        return None
    value = f"try_cast({quote(column)} as {'bigint' if isinstance(cursor, int) else 'varchar'})"
    rows = con.execute(f"select max({value}) from {held.sql} where {value} < ?", [cursor]).fetchall()
    found: Cursor | None = rows[0][0]
    return found
