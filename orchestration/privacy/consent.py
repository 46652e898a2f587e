"""Recording what a person allows, and showing it: `kindred consent set` and `kindred consent show`.

Belongs here: turning a person's answer into ledger decisions, one per record. Does not belong here: the ledger's table
(`orchestration.ledger.consent`), which answer holds (dbt's `fct_consent`), and what splits must not undo (`carrying.py`).

An answer given as a customer is attached to every record that the customer has at that moment:
- a withdrawal, so that each part of a customer that is split later still holds it;
- a grant too, because it has to answer each record's earlier withdrawal. It widens nothing by itself afterwards: a record
  that joins the customer later with a withdrawal of its own makes the customer withdrawn, and a part that is split off is
  permitted only what the whole customer was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orchestration.ledger.audit import utc_now
from orchestration.ledger.consent import ConsentDecision, Status, append_consent, read_consent
from orchestration.privacy.errors import PrivacyError
from orchestration.privacy.people import Named, PersonRecords, find_person
from orchestration.privacy.purposes import check_channel, check_purpose, known_channels, purpose_policies
from orchestration.sources.contract import LEGAL_BASES, Contract

if TYPE_CHECKING:
    import duckdb

    from orchestration.ledger.store import Ledger

EVERY = "all"
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Answer:
    """What a person said, as it is entered."""

    purpose: str
    """A purpose that rests on consent or can be objected to; `all` for a withdrawal of everything."""
    channel: str
    """A channel; `all` for every one."""
    status: Status
    legal_basis: str
    method: str
    """How it reached us: phone, letter, store."""
    reason: str | None = None
    at: datetime | None = None
    """When the person said it (naive UTC); by default now."""


@dataclass(frozen=True)
class StandingAnswer:
    """The answer that holds for a customer, purpose and channel, as the marts show it since the last run."""

    purpose: str
    channel: str
    status: str
    legal_basis: str | None
    decided_at: datetime
    source: str
    conflicting: bool


@dataclass(frozen=True)
class ConsentOf:
    """Everything known of what a customer allows."""

    person: PersonRecords
    standing: tuple[StandingAnswer, ...]
    restricted: tuple[str, ...]
    """Purposes for which the customer is restricted since the last run."""
    entered: tuple[ConsentDecision, ...]
    """What was entered by hand for the customer's records, in order; the next run brings it to the marts."""


def set_consent(
    con: "duckdb.DuckDBPyConnection",
    ledger: "Ledger",
    contracts: Sequence[Contract],
    named: Named,
    answer: Answer,
    *,
    actor: str,
) -> tuple[PersonRecords, list[ConsentDecision]]:
    """Enter a person's answer into the ledger, for each of their records, with its audit entry.

    Returns:
        Whom it was entered for, and what was kept.

    Raises:
        PurposeError: the purpose or channel is not known.
        PrivacyError: the answer lies in the future, is a grant for everything, or names an unknown legal basis; or the
            person is unknown or ambiguous.
        LedgerError: the ledger cannot be written.
    """
    pairs = _pairs(answer, contracts)
    if answer.legal_basis not in LEGAL_BASES:
        raise PrivacyError(
            f"{answer.legal_basis!r} is no legal basis of GDPR article 6(1): {', '.join(sorted(LEGAL_BASES))}"
        )
    now = utc_now()
    at = answer.at or now
    if at > now + _CLOCK_TOLERANCE:
        raise PrivacyError(f"The answer is dated {at:%Y-%m-%d %H:%M} UTC, which has not come yet. Mend --at.")
    person = find_person(con, named)
    decisions = [
        ConsentDecision(
            record_id=record_id,
            customer_id=person.customer_id if person.whole else None,
            purpose=purpose,
            channel=channel,
            status=answer.status,
            legal_basis=answer.legal_basis,
            method=answer.method,
            reason=answer.reason,
            occurred_at=at,
        )
        for purpose, channel in pairs
        for record_id in person.record_ids
    ]
    return person, append_consent(ledger, decisions, actor=actor)


def show_consent(con: "duckdb.DuckDBPyConnection", ledger: "Ledger", named: Named) -> ConsentOf:
    """What a person allows since the last run, and what was entered for their records.

    Raises:
        PrivacyError: the person is unknown or ambiguous, or the marts have not been built.
        LedgerError: the ledger cannot be read.
    """
    import duckdb

    person = find_person(con, named)
    try:
        standing = con.execute(
            "select purpose, channel, status, legal_basis, decided_at, source, conflicting from marts.fct_consent "
            "where customer_id = ? order by purpose, channel",
            [person.customer_id],
        ).fetchall()
        restricted = con.execute(
            "select purpose from marts.fct_restriction where customer_id = ? order by purpose", [person.customer_id]
        ).fetchall()
    except duckdb.CatalogException as error:
        raise PrivacyError(f"The marts of consent cannot be read ({error}). Run `kindred run` first.") from error
    return ConsentOf(
        person,
        tuple(StandingAnswer(*row) for row in standing),
        tuple(purpose for (purpose,) in restricted),
        tuple(read_consent(ledger, person.record_ids)),
    )


def as_utc(moment: datetime) -> datetime:
    """A moment given on the command line as naive UTC; one without a zone is UTC already."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _pairs(answer: Answer, contracts: Sequence[Contract]) -> list[tuple[str, str]]:
    """The purposes and channels that the answer is about."""
    if answer.status == "granted" and EVERY in (answer.purpose, answer.channel):
        raise PrivacyError("Consent is given for a purpose and a channel (GDPR article 7); `all` is for withdrawals.")
    if answer.purpose != EVERY:
        check_purpose(answer.purpose, contracts, ("consent", "objection"))
    if answer.channel != EVERY:
        check_channel(answer.channel, contracts)
    purposes = (
        [answer.purpose]
        if answer.purpose != EVERY
        else sorted(policy.name for policy in purpose_policies(contracts).values() if policy.filter != "none")
    )
    channels = [answer.channel] if answer.channel != EVERY else list(known_channels(contracts))
    return [(purpose, channel) for purpose in purposes for channel in channels]
