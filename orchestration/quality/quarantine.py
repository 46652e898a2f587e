"""The schema `quarantine`: rows held back, each with the check that it failed, its value and its whole record.

Belongs here: the tables' one shape, creating them, writing and clearing entries. Does not belong here: which rows fail
(see `gate`), and replay.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from orchestration.quality.errors import GateError
from orchestration.quality.history import now
from orchestration.quality.results import RunContext

if TYPE_CHECKING:
    import duckdb
    import sqlalchemy as sa

    from expectations.suites import Follower
    from orchestration.quality.validation import Answer

# One row per (landed row, failed check). `record` is the whole row as it came; a line that no reader understood is
# {"line": "..."} under the check `malformed_line`.
QUARANTINE_COLUMNS: dict[str, str] = {
    "load_date": "date",
    "check_name": "varchar",
    "column_name": "varchar",
    "value": "varchar",
    "row_key": "varchar",
    "file": "varchar",
    "row_number": "bigint",
    "record": "json",
    "reason": "varchar",
    "run_id": "varchar",
    "quarantined_at": "timestamp",
}
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def quarantine_relation(name: str) -> str:
    """The quoted quarantine table of a gated table's schema-less name: `crm__contacts` -> `quarantine."crm__contacts"`.

    Raises:
        GateError: the name is not a plain table name.
    """
    if not _NAME.match(name):
        raise GateError(f"{name!r} is not a table name; give it without its schema, such as crm__contacts")
    return f'quarantine."{name}"'


def ensure_quarantine_table(con: "duckdb.DuckDBPyConnection", name: str) -> str:
    """Create the quarantine table of a gated table where it is missing; answer its quoted name for use in SQL."""
    relation = quarantine_relation(name)
    columns = ", ".join(f"{column} {kind}" for column, kind in QUARANTINE_COLUMNS.items())
    con.execute("create schema if not exists quarantine")
    con.execute(f"create table if not exists {relation} ({columns})")
    return relation


def clear_day(con: "duckdb.DuckDBPyConnection", name: str, load_date: date) -> None:
    """Forget a day's entries: the loader does so before it loads the day again."""
    relation = ensure_quarantine_table(con, name)
    con.execute(f"delete from {relation} where load_date = ?", [load_date])


@dataclass(frozen=True)
class Batch:
    """The rows under a gate: a view over the gated table with its rowid as `row_id`."""

    table: str
    schema: str
    key: tuple[str, ...]
    view: str
    row_id: str
    columns: tuple[str, ...]
    """The gated table's own columns."""

    @property
    def record_columns(self) -> tuple[str, ...]:
        """The columns that came with the row; the loader's bookkeeping (`_file`) is not part of it."""
        return tuple(column for column in self.columns if not column.startswith("_"))

    @property
    def row_key(self) -> str:
        """SQL of the row's key, alias `batch`; empty when a key column is missing from the table."""
        known = [f"cast(batch.{_quoted(name)} as varchar)" for name in self.key if name in self.columns]
        return f"concat_ws('|', {', '.join(known)})" if known else "''"

    def column(self, name: str, otherwise: str) -> str:
        """SQL of one of the table's columns, alias `batch`, or something else when the table lacks it."""
        return f"batch.{_quoted(name)}" if name in self.columns else otherwise


@dataclass(frozen=True)
class Failure:
    """One row expectation that failed; its rows are those with its flag in the temporary table of failures."""

    flag: str
    check: str
    column: str | None
    reason: str
    holds_back: bool


def collect_failures(connection: "sa.Connection", batch: Batch, answers: "Iterable[Answer]") -> tuple[Failure, ...]:
    """Copy the rows that fail any of the answers' conditions to a temporary table, all of them, in one pass.

    The conditions run with bound parameters inside the database: nothing is cut at a count, and no text is escaped twice.
    The table has the batch's columns and, for each answer, a flag that says whether the row failed it.
    """
    import sqlalchemy as sa

    answers = list(answers)
    flags = [f"{_FLAG}{number}" for number in range(len(answers))]
    # With no failures there is still a table, so that what follows needs no case for it.
    declared = "".join(f", false as {flag}" for flag in flags)
    connection.exec_driver_sql(
        f"create or replace temp table {_FAILURES} as select *{declared} from {batch.view} limit 0"
    )
    if answers:
        conditions = [answer.condition for answer in answers if answer.condition is not None]
        marked = (
            sa.select(
                sa.literal_column("*"),
                *(
                    sa.case((condition, sa.true()), else_=sa.false()).label(flag)
                    for condition, flag in zip(conditions, flags, strict=True)
                ),
            )
            .select_from(sa.table(batch.view))
            .subquery()
        )
        columns = [*batch.columns, batch.row_id, *flags]
        failing: sa.Select = (
            sa.select(*(sa.column(name) for name in columns))
            .select_from(marked)
            .where(sa.or_(*(sa.column(flag) for flag in flags)))
        )
        target = sa.table(_FAILURES, *(sa.column(name) for name in columns))
        connection.execute(sa.insert(target).from_select(columns, failing))
    return tuple(
        Failure(
            flag, answer.meta["check"], answer.meta.get("column"), answer.meta["sentence"], answer.severity == "block"
        )
        for flag, answer in zip(flags, answers, strict=True)
    )


def hold_back(
    con: "duckdb.DuckDBPyConnection",
    batch: Batch,
    failures: Sequence[Failure],
    run: RunContext,
    *,
    whole_table: bool,
) -> None:
    """Move the rows of the collected failures to quarantine: an entry for each row and check, and out of the table.

    A table that is rebuilt as a whole (`whole_table`) shows its bad rows again each time. An entry that stands already,
    same key, check and value, then stays as it was, with its first load date; entries that no longer fail are dropped.
    """
    relation = quarantine_relation(batch.table)
    holding = [failure for failure in failures if failure.holds_back]
    con.execute(f"create or replace temp table {_ENTRIES} as {_entries_sql(batch, holding)}")
    if whole_table:
        _drop_mended(con, batch, relation)
        con.execute(f"delete from {_ENTRIES} as new where exists ({_same_entry('new', relation)})")
    con.execute(
        f"""
        insert into {relation} by name
        select ?::date as load_date, *, ? as run_id, ?::timestamp as quarantined_at
        from {_ENTRIES}
        order by all
        """,
        [run.load_date, run.run_id, now()],
    )
    if holding:
        held = " or ".join(failure.flag for failure in holding)
        con.execute(
            f"""
            delete from {_quoted(batch.schema)}.{_quoted(batch.table)}
            where rowid in (select {batch.row_id} from {_FAILURES} where {held})
            """
        )
    if whole_table:
        _mark(con, batch)
    con.execute(f"drop table {_ENTRIES}")
    con.execute(f"drop table {_FAILURES}")


def let_follow(con: "duckdb.DuckDBPyConnection", name: str, followers: "Iterable[Follower]") -> None:
    """Take out of other tables what was made of the rows that a table's quarantine holds, where those tables are there."""
    for follower in followers:
        known = con.execute(
            """
            select count(*) from duckdb_tables()
            where database_name = current_database() and schema_name = ? and table_name = ?
            """,
            [follower.schema, follower.table],
        ).fetchall()[0][0]
        if known:
            con.execute(
                f"""
                delete from {_quoted(follower.schema)}.{_quoted(follower.table)}
                where {_quoted(follower.column)} in (
                    select {_text(follower.prefix)} || row_key from {quarantine_relation(name)}
                )
                """
            )


def _drop_mended(con: "duckdb.DuckDBPyConnection", batch: Batch, relation: str) -> None:
    """Drop entries that a rebuilt table no longer shows: the row was mended, or is gone.

    That is so when the table was made anew since a gate was last here: it then lacks that gate's mark, or has rows again
    that were taken out of it. Otherwise the gate runs again over the same table, from which it took the rows itself, and
    the entries stand.
    """
    shown_again = con.execute(
        f"select exists (select 1 from {relation} where row_key in (select {batch.row_key} from {batch.view} as batch))"
    ).fetchall()[0][0]
    if shown_again or not _is_marked(con, batch):
        con.execute(f"delete from {relation} as entry where not exists ({_same_entry('entry')})")


def _is_marked(con: "duckdb.DuckDBPyConnection", batch: Batch) -> bool:
    rows = con.execute(
        """
        select comment from duckdb_tables()
        where database_name = current_database() and schema_name = ? and table_name = ?
        """,
        [batch.schema, batch.table],
    ).fetchall()
    return bool(rows) and rows[0][0] == _MARK


def _mark(con: "duckdb.DuckDBPyConnection", batch: Batch) -> None:
    """Leave a mark that goes when the table is made anew: a comment."""
    con.execute(f"comment on table {_quoted(batch.schema)}.{_quoted(batch.table)} is {_text(_MARK)}")


def sample_failures(
    con: "duckdb.DuckDBPyConnection", batch: Batch, failures: Sequence[Failure], limit: int
) -> list[dict[str, Any]]:
    """Some rows of the collected failures that only warn, for display: no quarantine entry shows them."""
    warning = [failure for failure in failures if not failure.holds_back]
    if not warning:
        return []
    return _shown(con, f"({_entries_sql(batch, warning)})", "true", [], limit)


def shown_entries(
    con: "duckdb.DuckDBPyConnection", name: str, load_date: date | None, limit: int
) -> list[dict[str, Any]]:
    """Some entries for display, of one load date or of all, with a few of each check rather than many of one."""
    condition, parameters = ("load_date = ?", [load_date]) if load_date else ("true", [])
    return _shown(con, quarantine_relation(name), condition, parameters, limit)


def count_rows(con: "duckdb.DuckDBPyConnection", name: str, load_date: date | None) -> int:
    """Rows held back, of one load date or of all. A row that failed several checks is one row."""
    condition, parameters = ("where load_date = ?", [load_date]) if load_date else ("", [])
    return con.execute(
        f"""
        select count(*)
        from (select distinct load_date, file, row_number, row_key from {quarantine_relation(name)} {condition})
        """,
        parameters,
    ).fetchall()[0][0]


_SHOWN_PER_CHECK = 5
_MARK = "a gate has been here since this table was made"
_FAILURES = "gate_failures"
_FLAG = "_failed_"
_ENTRIES = "gate_entries"


def _shown(
    con: "duckdb.DuckDBPyConnection", relation: str, condition: str, parameters: list[Any], limit: int
) -> list[dict[str, Any]]:
    rows = con.execute(
        f"""
        select check_name, column_name, value, row_key, file, row_number, reason
        from {relation}
        where {condition}
        qualify row_number() over (partition by check_name order by file, row_number, row_key) <= {_SHOWN_PER_CHECK}
        order by check_name, file, row_number, row_key
        limit {int(limit)}
        """,
        parameters,
    ).fetchall()
    names = ("check", "column", "value", "key", "file", "row", "reason")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _entries_sql(batch: Batch, failures: Sequence[Failure]) -> str:
    """The quarantine entries of failures, in the table's shape but for load date, run and time."""
    record = ", ".join(f"{_quoted(name)} := batch.{_quoted(name)}" for name in batch.record_columns)
    parts = [
        f"""
        select
            {_text(failure.check)} as check_name,
            {_text(failure.column) if failure.column else "null::varchar"} as column_name,
            cast({batch.column(failure.column, "null") if failure.column else batch.row_key} as varchar) as value,
            {batch.row_key} as row_key,
            {batch.column("_file", "null::varchar")} as file,
            {batch.column("_row", "null::bigint")} as row_number,
            to_json(struct_pack({record})) as record,
            {_text(failure.reason)} as reason
        from {_FAILURES} as batch
        where batch.{failure.flag}
        """
        for failure in failures
    ]
    nothing = ", ".join(f"null::{kind} as {name}" for name, kind in _ENTRY_COLUMNS.items())
    return " union all ".join(parts) if parts else f"select {nothing} where false"


_ENTRY_COLUMNS = {
    name: kind for name, kind in QUARANTINE_COLUMNS.items() if name not in ("load_date", "run_id", "quarantined_at")
}


def _same_entry(outer: str, relation: str = _ENTRIES) -> str:
    return f"""
        select 1 from {relation} as other
        where other.row_key = {outer}.row_key
            and other.check_name = {outer}.check_name
            and other.value is not distinct from {outer}.value
    """


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
