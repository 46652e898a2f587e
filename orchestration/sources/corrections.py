"""Applying people's decisions to the rows of a landed day, before they are typed.

Belongs here: finding again the row that a person decided on, correcting it, taking it out. Does not belong here: making
decisions (see `orchestration.quality.replay`), typing rows and bookkeeping (see `load`).

Landing is never edited: a corrected row is made anew from landing and the ledger at each load. A decision falls only on
the row that the person saw. That row is known by a hash of its landed text: in the place where it stood, or, when the
file was sent again with lines added or taken away, wherever else it alone now stands. A row whose text the source has
changed since is another row: it goes to the gate as it came.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from orchestration.ledger.decisions import RowDecision
from orchestration.quality.decided import Place
from orchestration.sources.contract import Table
from orchestration.sources.names import literal, quote

MALFORMED = "malformed_lines"
_WANTED = "decided_rows"
_VALUES = "decided_values"


@dataclass
class _Row:
    """What the decisions about one landed row come to."""

    corrections: dict[str, str | None] = field(default_factory=dict)
    discarded_by: RowDecision | None = None


@dataclass(frozen=True)
class Applied:
    """What came of a day's decisions."""

    decisions: tuple[tuple[RowDecision, Place | None], ...]
    """Each decision with the place of its row; None when that row is not among those that landed."""
    discarded: tuple[tuple[RowDecision, Place], ...]


def row_hashes(
    con: duckdb.DuckDBPyConnection, table: Table, landed: str, places: Iterable[Place]
) -> dict[Place, tuple[tuple[str, ...], str]]:
    """For each place the columns of its row, none for a malformed line, and the hash of its landed text.

    Places where nothing landed are left out.
    """
    columns = tuple(column.name for column in table.columns)
    _want(con, [(number, place.file, place.row, "") for number, place in enumerate(places)])
    found: dict[Place, tuple[tuple[str, ...], str]] = {}
    for seen, relation, file, row in (((), MALFORMED, "file", "row_number"), (columns, landed, "_file", "_row")):
        if _exists(con, relation):
            rows = con.execute(
                f"""
                select wanted.file, wanted.row_number, {_hash(seen)}
                from {_WANTED} as wanted
                inner join {relation} as landed on landed.{file} = wanted.file and landed.{row} = wanted.row_number
                """
            ).fetchall()
            found |= {Place(name, number): (seen, text) for name, number, text in rows}
    con.execute(f"drop table {_WANTED}")
    return found


def apply_decisions(
    con: duckdb.DuckDBPyConnection, table: Table, landed: str, decisions: Sequence[RowDecision]
) -> Applied:
    """Correct and take out rows of the temporary tables `landed` and `malformed_lines`, as the decisions say.

    A malformed line that has a corrected row becomes a row of `landed`.
    """
    if not decisions:
        return Applied((), ())
    places = _find(con, landed, decisions)
    rows: dict[Place, _Row] = {}
    malformed: set[Place] = set()
    for decision in decisions:
        place = places.get(decision.decision_id)
        if place is None:
            continue
        row = rows.setdefault(place, _Row())
        if not decision.seen_columns:
            malformed.add(place)
        if decision.kind == "discard":
            row.discarded_by = decision
        else:
            row.discarded_by = None
            row.corrections |= decision.corrections or {}
    out = [place for place, row in rows.items() if row.discarded_by]
    mended = {place: row.corrections for place, row in rows.items() if row.corrections and not row.discarded_by}
    _correct(con, table, landed, {place: values for place, values in mended.items() if place not in malformed})
    _read_anew(con, table, landed, {place: values for place, values in mended.items() if place in malformed})
    _take_out(con, landed, out)
    return Applied(
        tuple((decision, places.get(decision.decision_id)) for decision in decisions),
        tuple((row.discarded_by, place) for place, row in rows.items() if row.discarded_by),
    )


def fits(con: duckdb.DuckDBPyConnection, landed: str, column: str, value: str | None) -> bool:
    """Whether the landed column can hold the value: text can hold any, a typed Parquet column cannot."""
    if value is None or not _exists(con, landed):
        return True
    kind = _types(con, landed).get(column, "VARCHAR")
    return con.execute(f"select try_cast(?::varchar as {kind}) is not null", [value]).fetchall()[0][0]


def _find(con: duckdb.DuckDBPyConnection, landed: str, decisions: Sequence[RowDecision]) -> dict[int, Place]:
    """Where the row of each decision stands now, by decision id."""
    found: dict[int, Place] = {}
    for seen in sorted({decision.seen_columns for decision in decisions}):
        relation, file, row = (landed, "_file", "_row") if seen else (MALFORMED, "file", "row_number")
        if not _exists(con, relation) or not set(seen) <= set(_types(con, relation)):
            continue
        group = [decision for decision in decisions if decision.seen_columns == seen]
        _want(con, [(d.decision_id, d.file, d.row, d.seen_hash) for d in group])
        in_place = con.execute(
            f"""
            select wanted.id, wanted.file, wanted.row_number
            from {_WANTED} as wanted
            inner join {relation} as landed on landed.{file} = wanted.file and landed.{row} = wanted.row_number
            where {_hash(seen)} = wanted.seen_hash
            """
        ).fetchall()
        found |= {number: Place(name, place) for number, name, place in in_place}
        if len(in_place) < len(group):
            # A row that stands twice is told apart by its place only, and that is no longer known.
            moved = con.execute(
                f"""
                with hashed as (
                    select landed.{file} as file, landed.{row} as row_number, {_hash(seen)} as seen_hash
                    from {relation} as landed
                )
                select wanted.id, min(hashed.file), min(hashed.row_number)
                from {_WANTED} as wanted
                inner join hashed using (seen_hash)
                group by wanted.id
                having count(*) = 1
                """
            ).fetchall()
            found |= {number: Place(name, place) for number, name, place in moved if number not in found}
        con.execute(f"drop table {_WANTED}")
    return found


def _correct(
    con: duckdb.DuckDBPyConnection, table: Table, landed: str, rows: Mapping[Place, Mapping[str, str | None]]
) -> None:
    kinds = _types(con, landed) if rows else {}
    known = [column.name for column in table.columns if any(column.name in values for values in rows.values())]
    for column in known:
        _values(con, [(place, values[column]) for place, values in rows.items() if column in values])
        kind = kinds[column]
        # A value that the column can no longer hold leaves the row as it came: it fails its check again, in sight.
        con.execute(
            f"""
            update {landed} as landed
            set {quote(column)} = try_cast(given.value as {kind})
            from {_VALUES} as given
            where landed._file = given.file
                and landed._row = given.row_number
                and (given.value is null or try_cast(given.value as {kind}) is not null)
            """
        )
        con.execute(f"drop table {_VALUES}")


def _read_anew(
    con: duckdb.DuckDBPyConnection, table: Table, landed: str, rows: Mapping[Place, Mapping[str, str | None]]
) -> None:
    """Put the corrected rows of malformed lines beside those that could be read."""
    kinds = _types(con, landed) if rows else {}
    for place, values in rows.items():
        columns = ", ".join(
            f"try_cast(?::varchar as {kinds[column.name]}) as {quote(column.name)}" for column in table.columns
        )
        given = [values.get(column.name) for column in table.columns]
        con.execute(
            f"insert into {landed} by name select {columns}, ?::varchar as _file, ?::bigint as _row",
            [*given, place.file, place.row],
        )
    _delete(con, MALFORMED, "file", "row_number", rows)


def _take_out(con: duckdb.DuckDBPyConnection, landed: str, places: Sequence[Place]) -> None:
    _delete(con, MALFORMED, "file", "row_number", places)
    if _exists(con, landed):
        _delete(con, landed, "_file", "_row", places)


def _delete(con: duckdb.DuckDBPyConnection, relation: str, file: str, row: str, places: Iterable[Place]) -> None:
    _values(con, [(place, None) for place in places])
    con.execute(
        f"delete from {relation} as landed using {_VALUES} as given "
        f"where landed.{file} = given.file and landed.{row} = given.row_number"
    )
    con.execute(f"drop table {_VALUES}")


def _values(con: duckdb.DuckDBPyConnection, values: Sequence[tuple[Place, str | None]]) -> None:
    con.execute(f"create or replace temp table {_VALUES} (file varchar, row_number bigint, value varchar)")
    _fill(con, _VALUES, [(place.file, place.row, value) for place, value in values])


def _want(con: duckdb.DuckDBPyConnection, rows: Sequence[tuple[int, str, int, str]]) -> None:
    con.execute(
        f"create or replace temp table {_WANTED} (id bigint, file varchar, row_number bigint, seen_hash varchar)"
    )
    _fill(con, _WANTED, rows)


def _fill(con: duckdb.DuckDBPyConnection, relation: str, rows: Sequence[tuple[object, ...]]) -> None:
    if rows:
        one = f"({', '.join('?' * len(rows[0]))})"
        con.execute(
            f"insert into {relation} values {', '.join([one] * len(rows))}", [value for row in rows for value in row]
        )


def _hash(seen: Sequence[str]) -> str:
    """SQL of the hash of a row's landed text, alias `landed`; of the line when there are no columns."""
    texts = [f"landed.{quote(name)}::varchar" for name in seen] or ["landed.text"]
    # JSON keeps a missing value apart from an empty one, and a column from its neighbour.
    return f"sha256(to_json([{', '.join(texts)}])::varchar)"


def _types(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {row[0]: row[1] for row in con.execute(f"describe {relation}").fetchall()}


def _exists(con: duckdb.DuckDBPyConnection, relation: str) -> bool:
    return bool(
        con.execute(
            f"select count(*) from duckdb_tables() where temporary and table_name = {literal(relation)}"
        ).fetchall()[0][0]
    )
