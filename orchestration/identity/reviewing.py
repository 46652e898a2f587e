"""Working through the review queue: the next pairs, deciding, taking back.

Belongs here: what a review reads from the warehouse and appends to the ledger. Does not belong here: keys, questions and
layout (see `orchestration.commands.review`, `orchestration.display.review`).

The warehouse is opened for each look and let go of at once, so that a run may start while somebody thinks.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.identity.errors import IdentityError
from orchestration.identity.explain import values_of
from orchestration.identity.judgements import refuse_contradiction
from orchestration.identity.review_queue import QUEUE
from orchestration.identity.state import MEMBERSHIPS
from orchestration.ledger.judgements import Decision, Judgement, Verdict, decide, living, read_judgements, undo

if TYPE_CHECKING:
    import duckdb

    from orchestration.ledger.store import Ledger

ANSWERS: Mapping[str, Verdict] = {"same": "must_link", "different": "cannot_link", "unsure": "unsure"}


@dataclass(frozen=True)
class OpenPair:
    """A pair of the queue."""

    record_id_l: str
    record_id_r: str
    match_probability: float
    match_weight: float
    reason: str
    effect: float
    rank: int


@dataclass(frozen=True)
class Desk:
    """Where a review takes place."""

    warehouse: Callable[[], AbstractContextManager["duckdb.DuckDBPyConnection"]]
    ledger: "Ledger"
    actor: str

    def queue(self, limit: int) -> list[OpenPair]:
        """The next pairs of the last run's queue that nobody judged since.

        Raises IdentityError when no run has made a queue yet.
        """
        judged = {entry.pair for entry in living(read_judgements(self.ledger))}
        with self.warehouse() as con:
            there = con.execute(
                "select 1 from duckdb_tables() where schema_name || '.' || table_name = ?", [QUEUE]
            ).fetchall()
            if not there:
                raise IdentityError("there is no review queue yet: `kindred run` makes it")
            rows = con.execute(
                f"""
                select record_id_l, record_id_r, match_probability, match_weight, reason, effect, rank
                from {QUEUE} order by rank
                """
            ).fetchall()
        return [pair for row in rows if (pair := OpenPair(*row)) and (row[0], row[1]) not in judged][:limit]

    def values(self, record_a: str, record_b: str) -> dict[str, tuple[str | None, str | None]]:
        """The standardised values of both records. Raises UnknownIdError."""
        with self.warehouse() as con:
            return values_of(con, record_a, record_b)

    def decide(self, record_a: str, record_b: str, verdict: Verdict, reason: str | None) -> Judgement:
        """Append a judgement of two records that exist.

        Raises UnknownIdError; ContradictionError when it speaks against earlier judgements; LedgerError.
        """
        with self.warehouse() as con:
            values_of(con, record_a, record_b)
            customers = dict(
                con.execute(
                    f"select record_id, customer_id from {MEMBERSHIPS} where record_id in (?, ?)", [record_a, record_b]
                ).fetchall()
            )

        def guard(entries: Sequence[Judgement]) -> None:
            refuse_contradiction(entries, verdict, record_a, record_b)

        decision = Decision(
            record_a, record_b, verdict, reason, customers.get(record_a), customers.get(record_b)
        )  # fmt: skip
        return decide(self.ledger, decision, actor=self.actor, guard=guard)

    def undo(self, judgement_id: int, reason: str | None = None) -> Judgement:
        """Take a judgement back. Raises LedgerError; ContradictionError when what it restores contradicts others."""

        def guard(entries: Sequence[Judgement]) -> None:
            after = [entry for entry in entries if entry.judgement_id != judgement_id]
            target = next(entry for entry in entries if entry.judgement_id == judgement_id)
            for entry in living(after):
                if entry.pair == target.pair:
                    refuse_contradiction(after, entry.verdict, *entry.pair)

        return undo(self.ledger, judgement_id, actor=self.actor, reason=reason, guard=guard)

    def judgements(self) -> tuple[Judgement, ...]:
        """The living judgements. Raises LedgerError."""
        return living(read_judgements(self.ledger))
