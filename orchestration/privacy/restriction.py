"""Restricting the use of a person's data and releasing it: `kindred restrict` (GDPR articles 18 and 21, CCPA opt-out).

Belongs here: turning it into ledger decisions, one per record. Does not belong here: the ledger's table
(`orchestration.ledger.restrictions`), and what follows for the marts (dbt's `fct_restriction`).

A restricted customer stays stored and stays in what serves them (orders, support, the golden record). From the next run
on they are in no table that serves marketing, profiling or statistics about persons. The restriction is attached to every
record of the customer, so that it follows each through merges and splits; of merged customers the restricted one decides.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestration.ledger.restrictions import (
    ALL_PURPOSES,
    RestrictionDecision,
    Status,
    append_restrictions,
    read_restrictions,
)
from orchestration.privacy.errors import PrivacyError
from orchestration.privacy.people import Named, PersonRecords, find_person
from orchestration.privacy.purposes import check_purpose
from orchestration.sources.contract import Contract

if TYPE_CHECKING:
    import duckdb

    from orchestration.ledger.store import Ledger


def decide_restriction(
    con: "duckdb.DuckDBPyConnection",
    ledger: "Ledger",
    contracts: Sequence[Contract],
    named: Named,
    status: Status,
    purpose: str = ALL_PURPOSES,
    *,
    reason: str,
    actor: str,
) -> tuple[PersonRecords, list[RestrictionDecision]]:
    """Restrict a person, or release them, with the audit entry that tells of it.

    Args:
        purpose: one that asks something of the person, or `all`.
        reason: kept in the ledger beside the decision, not in the audit log.

    Returns:
        Whom it was decided for, and what was kept: nothing when every record stood so already.

    Raises:
        PurposeError: the purpose is not known or cannot be restricted.
        PrivacyError: no reason, or the person is unknown or ambiguous.
        LedgerError: the ledger cannot be written.
    """
    if not reason.strip():
        raise PrivacyError("A restriction or release needs a reason: it has to be shown later why it was made.")
    if purpose != ALL_PURPOSES:
        check_purpose(purpose, contracts, ("consent", "objection"))
    person = find_person(con, named)
    standing = _standing(ledger, person.record_ids)
    undecided = [record for record in person.record_ids if not _is_so(standing.get(record, {}), status, purpose)]
    if not undecided:
        return person, []
    decisions = [
        RestrictionDecision(
            record_id=record,
            customer_id=person.customer_id if person.whole else None,
            purpose=purpose,
            status=status,
            reason=reason,
        )
        for record in undecided
    ]
    return person, append_restrictions(ledger, decisions, actor=actor)


def _standing(ledger: "Ledger", record_ids: Sequence[str]) -> dict[str, dict[str, Status]]:
    """Per record, the last decision of each purpose; one on `all` replaces those before it."""
    found: dict[str, dict[str, Status]] = {}
    for decision in read_restrictions(ledger, record_ids):
        of_record = found.setdefault(decision.record_id, {})
        if decision.purpose == ALL_PURPOSES:
            of_record.clear()
        of_record[decision.purpose] = decision.status
    return found


def _is_so(standing: dict[str, Status], status: Status, purpose: str) -> bool:
    """Whether a record already stands as it is to be. A release is written whenever it is not certain: a refusal that was
    carried over a split is not in the ledger."""
    if status == "lifted":
        return False
    if purpose == ALL_PURPOSES:
        return standing == {ALL_PURPOSES: "restricted"}
    return standing.get(purpose, standing.get(ALL_PURPOSES)) == "restricted"
