"""Tombstones: keyed hashes of erased people, appended once, and the counts of rows that they held back.

Belongs here: appending, reading, lifting. Does not belong here: making hashes (`orchestration.privacy.tombstone_keys`)
and comparing them (`orchestration.privacy.suppression`). Nothing here can be read back into a person without the key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from orchestration.ledger.audit import append, utc_now

if TYPE_CHECKING:
    import pyarrow as pa

    from orchestration.ledger.store import Ledger


@dataclass(frozen=True)
class Tombstone:
    """One erased person."""

    tombstone_id: str
    request_id: str
    nonce: str
    key_check: str


@dataclass(frozen=True)
class Suppression:
    """Rows of a landed file that were held back and removed from it."""

    table: str
    load_date: date
    file: str
    content_hash: str
    """SHA-256 of the file without them."""
    rows: int


def append_tombstones(ledger: "Ledger", stones: Sequence[Tombstone], keys: "pa.Table", fields: "pa.Table") -> None:
    """Append tombstones with their hashes: columns (tombstone_id, kind, hash) and (tombstone_id, field, hash).

    Tombstones that stand already are left as they are. Raises LedgerError.
    """
    import sqlalchemy as sa

    from orchestration.ledger.tables import tombstone_fields, tombstone_keys, tombstones

    with ledger.writing() as connection:
        there = set(connection.execute(sa.select(tombstones.c.tombstone_id)).scalars())
        new = [stone for stone in stones if stone.tombstone_id not in there]
        if not new:
            return
        moment = utc_now()
        connection.execute(sa.insert(tombstones), [{**stone.__dict__, "made_at": moment} for stone in new])
        fresh = {stone.tombstone_id for stone in new}
        for table, hashes in ((tombstone_keys, keys), (tombstone_fields, fields)):
            rows = [row for row in hashes.to_pylist() if row["tombstone_id"] in fresh]
            if rows:
                connection.execute(sa.insert(table), rows)


def living_tombstones(ledger: "Ledger") -> list[Tombstone]:
    """Those that hold people back: all but the lifted ones. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import tombstone_lifts, tombstones

    with ledger.reading() as connection:
        if connection is None or not sa.inspect(connection).has_table("tombstones"):
            return []
        rows = connection.execute(
            sa.select(tombstones)
            .where(tombstones.c.tombstone_id.not_in(sa.select(tombstone_lifts.c.tombstone_id)))
            .order_by(tombstones.c.tombstone_id)
        ).all()
    return [Tombstone(row.tombstone_id, row.request_id, row.nonce, row.key_check) for row in rows]


def read_hashes(ledger: "Ledger") -> "tuple[pa.Table, pa.Table]":
    """Keys (tombstone_id, kind, hash) and fields (tombstone_id, field, hash) of all tombstones. Raises LedgerError."""
    import pyarrow as pa
    import sqlalchemy as sa

    from orchestration.ledger.tables import tombstone_fields, tombstone_keys

    made = []
    for table, name in ((tombstone_keys, "kind"), (tombstone_fields, "field")):
        with ledger.reading() as connection:
            rows = [] if connection is None else connection.execute(sa.select(table)).all()
        columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
        names = ("tombstone_id", name, "hash")
        made.append(
            pa.table({key: pa.array(list(values), pa.string()) for key, values in zip(names, columns, strict=True)})
        )
    return made[0], made[1]


def lift_tombstones(ledger: "Ledger", request_id: str, actor: str) -> int:
    """Let the people of a request in again. Returns how many tombstones were lifted. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import tombstone_lifts, tombstones

    with ledger.writing() as connection:
        ids = connection.execute(
            sa.select(tombstones.c.tombstone_id)
            .where(tombstones.c.request_id == request_id)
            .where(tombstones.c.tombstone_id.not_in(sa.select(tombstone_lifts.c.tombstone_id)))
            .order_by(tombstones.c.tombstone_id)
        ).scalars()
        moment = utc_now()
        lifted = [{"tombstone_id": item, "lifted_at": moment, "lifted_by": actor} for item in ids]
        if lifted:
            connection.execute(sa.insert(tombstone_lifts), lifted)
            append(
                connection,
                actor=actor,
                action="erasure.lift",
                subject=request_id,
                details={"people": len(lifted)},
                at=moment,
            )
    return len(lifted)


def append_suppression(ledger: "Ledger", suppression: Suppression) -> None:
    """Append how many rows of a file were held back. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import suppressions

    with ledger.writing() as connection:
        connection.execute(
            sa.insert(suppressions).values(
                table_name=suppression.table,
                load_date=suppression.load_date,
                file=suppression.file,
                content_hash=suppression.content_hash,
                rows=suppression.rows,
                suppressed_at=utc_now(),
            )
        )


def read_suppressions(ledger: "Ledger", table: str, load_date: date) -> list[Suppression]:
    """What was held back of a table's day, oldest first. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import suppressions

    with ledger.reading() as connection:
        if connection is None or not sa.inspect(connection).has_table("suppressions"):
            return []
        rows = connection.execute(
            sa.select(suppressions)
            .where(suppressions.c.table_name == table, suppressions.c.load_date == load_date)
            .order_by(suppressions.c.suppression_id)
        ).all()
    return [Suppression(row.table_name, row.load_date, row.file, row.content_hash, row.rows) for row in rows]
