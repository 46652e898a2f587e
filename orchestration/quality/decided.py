"""What became of people's decisions in the warehouse: which were applied to a day, and which rows they discarded.

Belongs here: these two tables of the schema `quality`, and reading them. Does not belong here: the decisions themselves
(see `orchestration.ledger.decisions`), applying them (see `orchestration.sources.corrections`), or any value of a row.

Both tables are derived: each load of a day writes the day anew from the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from orchestration.quality.results import RunContext

if TYPE_CHECKING:
    import duckdb

    from orchestration.ledger.decisions import RowDecision

_TABLES = (
    # One row per decision about the day. `found` is false when no row that landed is the one that was decided on.
    """
    create table if not exists quality.row_decisions (
        table_name varchar not null,
        load_date date not null,
        decision_id bigint not null,
        kind varchar not null,
        file varchar not null,
        row_number bigint not null,
        found boolean not null
    )
    """,
    # One row per discarded row.
    """
    create table if not exists quality.discarded_rows (
        table_name varchar not null,
        load_date date not null,
        file varchar not null,
        row_number bigint not null,
        check_names varchar not null,
        reason varchar,
        decision_id bigint not null,
        decided_by varchar not null,
        decided_at timestamp
    )
    """,
)


@dataclass(frozen=True)
class Place:
    """Where a row landed: its file relative to the landing folder, and its number in it."""

    file: str
    row: int


def ensure_decided_tables(con: "duckdb.DuckDBPyConnection") -> None:
    """Create the tables where they are missing."""
    con.execute("create schema if not exists quality")
    for statement in _TABLES:
        con.execute(statement)


def replace_day(
    con: "duckdb.DuckDBPyConnection",
    table: str,
    load_date: date,
    decisions: "Sequence[tuple[RowDecision, Place | None]]",
    discarded: "Sequence[tuple[RowDecision, Place]]",
) -> None:
    """Write a day's decisions, each with the place where its row was found, and its discarded rows.

    Args:
        table: without its schema.
        decisions: each decision about the day; None when its row is no longer among those that landed.
        discarded: the rows that stay out, each with the decision that keeps it out.
    """
    for name in ("row_decisions", "discarded_rows"):
        con.execute(f"delete from quality.{name} where table_name = ? and load_date = ?", [f"raw.{table}", load_date])
    rows: list[tuple[Any, ...]] = []
    for decision, place in decisions:
        there = place or Place(decision.file, decision.row)
        rows.append(
            (f"raw.{table}", load_date, decision.decision_id, decision.kind, there.file, there.row, place is not None)
        )
    _insert(con, "quality.row_decisions", rows)
    _insert(
        con,
        "quality.discarded_rows",
        [
            (
                f"raw.{table}", load_date, place.file, place.row, ", ".join(decision.checks), decision.reason,
                decision.decision_id, decision.decided_by, decision.decided_at,
            )
            for decision, place in discarded
        ],
    )  # fmt: skip


def decisions_applied(con: "duckdb.DuckDBPyConnection", table: str, load_date: date) -> set[int]:
    """The ids of the decisions that the last load of the day knew of."""
    rows = con.execute(
        "select decision_id from quality.row_decisions where table_name = ? and load_date = ?",
        [f"raw.{table}", load_date],
    ).fetchall()
    return {row[0] for row in rows}


def count_discarded(con: "duckdb.DuckDBPyConnection", table: str, run: RunContext) -> int:
    """The table's rows of the run's load date that a person discarded."""
    ensure_decided_tables(con)
    return con.execute(
        "select count(*) from quality.discarded_rows where table_name = ? and load_date = ?",
        [f"raw.{table}", run.load_date],
    ).fetchall()[0][0]


def _insert(con: "duckdb.DuckDBPyConnection", table: str, rows: "Sequence[tuple[Any, ...]]") -> None:
    if rows:
        one = f"({', '.join('?' * len(rows[0]))})"
        con.execute(
            f"insert into {table} values {', '.join([one] * len(rows))}", [value for row in rows for value in row]
        )
