"""The commands `kindred consent`, `kindred restrict` and `kindred release`: names, options and exit codes. No logic."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestration.ledger.restrictions import Status
    from orchestration.privacy.people import Named

consent_app = typer.Typer(help="What a person allows, per purpose and channel.", no_args_is_help=True)

Customer = Annotated[str | None, typer.Option(metavar="ID", help="The customer, by id.")]
Email = Annotated[str | None, typer.Option(help="The one customer with this e-mail address.")]
Record = Annotated[str | None, typer.Option(metavar="SOURCE:ID", help="One record alone, not the whole customer.")]
Reason = Annotated[str, typer.Option(help="Why, kept in the ledger; name no person.")]
RestrictedPurpose = Annotated[str, typer.Option(metavar="PURPOSE", help="Such as marketing or profiling; or all.")]


@consent_app.command("set")
def set_(
    purpose: Annotated[str, typer.Option(help="Such as marketing or profiling; all with --status withdrawn.")],
    channel: Annotated[str, typer.Option(help="Such as email or sms; all with --status withdrawn.")],
    status: Annotated[str, typer.Option(metavar="granted|withdrawn", help="What the person said.")],
    source: Annotated[str, typer.Option(help="How it reached us: phone, letter, store.")],
    customer: Customer = None,
    email: Email = None,
    record: Record = None,
    reason: Annotated[str | None, typer.Option(help="A note, kept in the ledger; name no person.")] = None,
    legal_basis: Annotated[str, typer.Option(help="Of GDPR article 6(1).")] = "consent",
    at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="When, in UTC; by default now.")
    ] = None,
) -> None:
    """Enter an answer of a person: it holds from the next run on, and follows their records through merges and splits."""
    from orchestration.display.consent import show_consent_set
    from orchestration.ledger.store import Ledger
    from orchestration.privacy.access import require
    from orchestration.privacy.consent import Answer, as_utc, set_consent
    from orchestration.project import load_project

    if status not in ("granted", "withdrawn"):
        raise typer.BadParameter("granted or withdrawn", param_hint="--status")
    project = load_project()
    actor = require(project.settings, "consent.set")
    answer = Answer(purpose, channel, status, legal_basis, source, reason, as_utc(at) if at else None)  # type: ignore[arg-type]
    with project.warehouse() as con:
        ledger = Ledger.of(project.settings)
        show_consent_set(
            *set_consent(con, ledger, project.contracts, _named(customer, email, record), answer, actor=actor)
        )


@consent_app.command("show")
def show(customer: Customer = None, email: Email = None, record: Record = None) -> None:
    """What a person allows since the last run, what they are restricted for, and what was entered by hand."""
    from orchestration.display.consent import show_consent_of
    from orchestration.ledger.store import Ledger
    from orchestration.privacy.access import require
    from orchestration.privacy.consent import show_consent
    from orchestration.project import load_project

    project = load_project()
    require(project.settings, "consent.show")
    with project.warehouse() as con:
        show_consent_of(show_consent(con, Ledger.of(project.settings), _named(customer, email, record)))


def restrict(
    reason: Reason,
    customer: Customer = None,
    email: Email = None,
    record: Record = None,
    purpose: RestrictedPurpose = "all",
) -> None:
    """Restrict a customer, or record an objection: from the next run on, in nothing that serves the purpose."""
    _decide("restricted", customer, email, record, purpose, reason)


def release(
    reason: Reason,
    customer: Customer = None,
    email: Email = None,
    record: Record = None,
    purpose: RestrictedPurpose = "all",
) -> None:
    """Lift a restriction."""
    _decide("lifted", customer, email, record, purpose, reason)


def _decide(
    status: "Status", customer: str | None, email: str | None, record: str | None, purpose: str, reason: str
) -> None:
    from orchestration.display.consent import show_restricted
    from orchestration.ledger.restrictions import ACTIONS
    from orchestration.ledger.store import Ledger
    from orchestration.privacy.access import require
    from orchestration.privacy.restriction import decide_restriction
    from orchestration.project import load_project

    project = load_project()
    actor = require(project.settings, ACTIONS[status])
    with project.warehouse() as con:
        person, kept = decide_restriction(
            con, Ledger.of(project.settings), project.contracts, _named(customer, email, record), status, purpose,
            reason=reason, actor=actor,
        )  # fmt: skip
    show_restricted(person, kept, status)


def _named(customer: str | None, email: str | None, record: str | None) -> "Named":
    from orchestration.privacy.people import Named

    if sum(value is not None for value in (customer, email, record)) != 1:
        raise typer.BadParameter("name the person in one way: --customer, --email or --record")
    return Named(customer, email, record)
