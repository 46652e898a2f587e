"""The ledger's answers as tables of the warehouse, for dbt to read.

Belongs here: the shape of those tables and filling them. Does not belong here: which answer holds (dbt's `fct_consent`,
`fct_restriction`), or what people are asked (`consent.py`, `restriction.py`). The tables are made anew at each run; the
ledger stays the truth.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from orchestration.ledger.consent import read_consent
from orchestration.ledger.restrictions import ALL_PURPOSES, read_restrictions

if TYPE_CHECKING:
    import duckdb

    from orchestration.ledger.store import Ledger

CONSENT_TABLE = "integration.ledger_consent_events"
RESTRICTION_TABLE = "integration.ledger_restrictions"
_CONSENT = {
    "consent_event_id": "varchar", "record_id": "varchar", "purpose": "varchar", "channel": "varchar",
    "status": "varchar", "legal_basis": "varchar", "occurred_at": "timestamp", "method": "varchar", "source": "varchar",
    "load_date": "date",
}  # fmt: skip
_RESTRICTION = {"record_id": "varchar", "purpose": "varchar", "status": "varchar", "occurred_at": "timestamp"}


def write_consent_events(con: "duckdb.DuckDBPyConnection", ledger: "Ledger") -> int:
    """Write `integration.ledger_consent_events`: the role `consent_events` of a source named `ledger`.

    `occurred_at` is when the person answered, `load_date` the day it was entered.

    Returns:
        The number of rows.

    Raises LedgerError.
    """
    rows = [
        (
            f"ledger:{decision.decision_id}", decision.record_id, decision.purpose, decision.channel, decision.status,
            decision.legal_basis, decision.occurred_at, decision.method, "ledger",
            decision.decided_at.date() if decision.decided_at else None,
        )
        for decision in read_consent(ledger)
    ]  # fmt: skip
    return _replace(con, CONSENT_TABLE, _CONSENT, rows)


def write_restrictions(con: "duckdb.DuckDBPyConnection", ledger: "Ledger", purposes: Iterable[str]) -> int:
    """Write `integration.ledger_restrictions`: one row per decision and purpose.

    Args:
        purposes: those that `all` stands for: the purposes that ask something of the person.

    Returns:
        The number of rows.

    Raises LedgerError.
    """
    every = sorted(purposes)
    rows = [
        (decision.record_id, purpose, decision.status, decision.decided_at)
        for decision in read_restrictions(ledger)
        for purpose in (every if decision.purpose == ALL_PURPOSES else [decision.purpose])
    ]
    return _replace(con, RESTRICTION_TABLE, _RESTRICTION, rows)


def _replace(con: "duckdb.DuckDBPyConnection", table: str, columns: dict[str, str], rows: Sequence[tuple]) -> int:
    """Make the table anew from rows; through Arrow, because inserting row by row takes a millisecond each."""
    con.execute(f"create schema if not exists {table.split('.', maxsplit=1)[0]}")
    typed = ", ".join(f"{name} {data_type}" for name, data_type in columns.items())
    con.execute(f"create or replace table {table} ({typed})")
    if rows:
        import pyarrow as pa

        batch = pa.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))
        con.register("ledger_rows", batch)
        try:
            con.execute(f"insert into {table} by name select * from ledger_rows")
        finally:
            con.unregister("ledger_rows")
    return len(rows)
