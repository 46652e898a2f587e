"""What is held of people, counted per store: the one count that access shows and erasure must bring to nothing.

Belongs here: counting. Does not belong here: reading the rows out (`subject_export.py`) or removing them.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.ledger.redaction import Place as LedgerPlace
from orchestration.ledger.redaction import personal_rows
from orchestration.ledger.store import Ledger
from orchestration.privacy.closure import Closure
from orchestration.privacy.relations import relations

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Holding:
    """Rows of the people in one store."""

    store: str
    """`landing`, `warehouse` or `ledger`."""
    name: str
    """The file below the landing folder, or the table."""
    rows: int


def count_holdings(con: "duckdb.DuckDBPyConnection", ledger: Ledger, closure: Closure) -> list[Holding]:
    """Everything held under the closure in the temporary tables, by store and name. Raises LedgerError."""
    files = Counter(place.file for place in closure.places)
    found = [Holding("landing", file, rows) for file, rows in sorted(files.items())]
    for item in relations(con):
        condition = item.condition("held")
        if condition:
            rows = con.execute(f"select count(*) from {item.sql} as held where {condition}").fetchall()[0][0]
            if rows:
                found.append(Holding("warehouse", item.label, int(rows)))
    for table, entries in sorted(
        personal_rows(ledger, closure.records, closure.customers, ledger_places(closure)).items()
    ):
        found.append(Holding("ledger", table, len(entries)))
    return found


def ledger_places(closure: Closure) -> list[LedgerPlace]:
    """The closure's places as the ledger writes them."""
    return [(place.table, place.load_date, place.file, place.row) for place in closure.places]
