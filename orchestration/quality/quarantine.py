"""The schema `quarantine`: rows held back, each with the check that it failed, its value and its whole record.

Belongs here: the tables' one shape, creating them, writing and clearing entries. Does not belong here: which rows fail
(see `gate`), and replay.
"""

import re
from datetime import date
from typing import TYPE_CHECKING

from orchestration.quality.errors import GateError

if TYPE_CHECKING:
    import duckdb

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
