"""Taking a person out of the ledger: the one thing that is ever removed from it.

Belongs here: deleting rows that name a record, a customer or a landed row, and making the bytes go. Does not belong here:
the audit chain, which names no person's values and stays whole.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestration.ledger.store import Ledger

_RECORDS = ("record_id", "record_id_l", "record_id_r")
_CUSTOMERS = ("customer_id", "other_customer_id")
# Whole by design, and without personal values.
_KEPT = frozenset({"audit_log", "audit_head", "privacy_requests", "privacy_steps"})
_AT_ONCE = 500

Place = tuple[str, date, str, int]
"""Table without its schema, load date, file, row."""


def personal_rows(
    ledger: "Ledger", records: Collection[str], customers: Collection[str], places: Sequence[Place]
) -> dict[str, list[dict[str, Any]]]:
    """The ledger's rows about people, by table. Raises LedgerError."""
    import sqlalchemy as sa

    found: dict[str, list[dict[str, Any]]] = {}
    with ledger.reading() as connection:
        if connection is None:
            return {}
        present = set(sa.inspect(connection).get_table_names())
        for table, conditions in _conditions(records, customers, places):
            if table.name not in present:
                continue
            # A row can meet two conditions; documents in it cannot be hashed, their text can.
            rows = {
                str(row): dict(row._mapping)
                for condition in conditions
                for row in connection.execute(sa.select(table).where(condition)).all()
            }
            if rows:
                found[table.name] = list(rows.values())
    return found


def delete_personal_rows(
    ledger: "Ledger", records: Collection[str], customers: Collection[str], places: Sequence[Place]
) -> dict[str, int]:
    """Delete the ledger's rows about people. Returns how many, by table. Raises LedgerError."""
    import sqlalchemy as sa

    gone: dict[str, int] = {}
    with ledger.writing() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("pragma secure_delete = on")
        for table, conditions in _conditions(records, customers, places):
            for condition in conditions:
                count = connection.execute(sa.delete(table).where(condition)).rowcount
                if count:
                    gone[table.name] = gone.get(table.name, 0) + count
    return gone


def succeed_models(ledger: "Ledger", succession: Mapping[str, str], actor: str) -> None:
    """Let promotions name a model's successor: the model without values of erased people. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.audit import append
    from orchestration.ledger.tables import metadata

    if not succession:
        return
    with ledger.writing() as connection:
        for old, new in sorted(succession.items()):
            for table in metadata.sorted_tables:
                for name in ("version", "model_version", "previous_version"):
                    if name in table.c and table.name not in _KEPT:
                        connection.execute(sa.update(table).where(table.c[name] == old).values({name: new}))
            append(connection, actor=actor, action="model.succeed", subject=new, details={"succeeds": old})


def compact(ledger: "Ledger") -> None:
    """Write a SQLite ledger anew, so that deleted bytes are in neither the file nor its log. Raises LedgerError."""
    import sqlite3

    import sqlalchemy as sa

    from orchestration.ledger.errors import LedgerError

    url = sa.make_url(ledger.url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    ledger.close()
    con = sqlite3.connect(url.database, timeout=30, isolation_level=None)
    try:
        con.execute("pragma secure_delete = on")
        con.execute("vacuum")
        con.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.Error as error:
        raise LedgerError(
            f"the ledger at {url.database} cannot be written anew: {error}. Make room or mend it."
        ) from error
    finally:
        con.close()


def _conditions(
    records: Collection[str], customers: Collection[str], places: Sequence[Place]
) -> "Iterator[tuple[Any, list[Any]]]":
    import sqlalchemy as sa

    from orchestration.ledger.tables import metadata

    for table in metadata.sorted_tables:
        if table.name in _KEPT:
            continue
        columns = table.c
        conditions: list[Any] = []
        for names, values in ((_RECORDS, sorted(records)), (_CUSTOMERS, sorted(customers))):
            for name in names:
                if name in columns:
                    conditions += [columns[name].in_(some) for some in _batches(values)]
        if {"table_name", "load_date", "file", "row_number"} <= set(columns.keys()):
            conditions += [
                sa.tuple_(columns.table_name, columns.load_date, columns.file, columns.row_number).in_(some)
                for some in _batches([tuple(place) for place in places])
            ]
        if conditions:
            yield table, conditions


def _batches(values: Iterable[Any]) -> "Iterator[list[Any]]":
    listed = list(values)
    for start in range(0, len(listed), _AT_ONCE):
        yield listed[start : start + _AT_ONCE]
