"""A fingerprint of what people decided, to see whether anything changed since a run.

Belongs here: which tables are decisions that a run follows. Does not belong here: what a change leads to (see
`orchestration.unchanged`).
"""

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.ledger.store import Ledger

# What tells of decisions rather than being one: the audit log, and what runs note themselves: the linkage model in use,
# since when it and each judgement count, and the rows of erased people that they held back (the file without these rows
# has another fingerprint, so that a day with them is loaded again all the same). Of a person's request, runs follow the
# tombstones and restrictions that come of it; the request itself and its steps change nothing.
_NO_DECISIONS = frozenset(
    {
        "audit_log", "audit_head", "model_promotions", "model_uses", "match_judgement_uses", "suppressions",
        "privacy_requests", "privacy_steps",
    }
)  # fmt: skip


def decisions_digest(ledger: "Ledger") -> str:
    """SHA-256 of every decision in the ledger, without the audit log and what runs note. Raises LedgerError."""
    import sqlalchemy as sa

    from orchestration.ledger.tables import metadata

    digest = hashlib.sha256()
    with ledger.reading() as connection:
        if connection is None:
            return digest.hexdigest()
        present = set(sa.inspect(connection).get_table_names())
        for table in sorted(metadata.tables.values(), key=lambda table: table.name):
            if table.name in _NO_DECISIONS or table.name not in present:
                continue
            keys = list(table.primary_key.columns) or list(table.columns)
            for row in connection.execute(sa.select(table).order_by(*keys)):
                digest.update(json.dumps([table.name, *row], default=str, sort_keys=True).encode())
    return digest.hexdigest()
