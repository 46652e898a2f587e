"""What `kindred consent`, `kindred restrict`, `kindred release` and `kindred privacy` show. Layout and words only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from orchestration.display.console import console, plain_table

if TYPE_CHECKING:
    from orchestration.ledger.consent import ConsentDecision
    from orchestration.ledger.restrictions import RestrictionDecision
    from orchestration.privacy.access import Identity, Roles
    from orchestration.privacy.consent import ConsentOf
    from orchestration.privacy.people import PersonRecords
    from orchestration.privacy.purpose_check import Violation
    from orchestration.privacy.registry import RegistryEntry

_NEXT_RUN = "[dim]It holds from the next run on: kindred run[/]"


def show_consent_set(person: "PersonRecords", kept: "Sequence[ConsentDecision]") -> None:
    """What was entered, for whom."""
    answers = sorted({(decision.purpose, decision.channel, decision.status) for decision in kept})
    for purpose, channel, status in answers:
        console.print(f"{purpose} by {channel}: {status}", highlight=False)
    console.print(f"Entered for {_records(person)} of {person.customer_id}.", highlight=False, soft_wrap=True)
    console.print(_NEXT_RUN)


def show_consent_of(found: "ConsentOf") -> None:
    """What holds, and what was entered by hand."""
    console.print(f"{found.person.customer_id}, {_records(found.person)}", highlight=False)
    if found.standing:
        table = plain_table("purpose", "channel", "status", "legal basis", "decided (UTC)", "from", "")
        for answer in found.standing:
            colour = "green" if answer.status == "granted" else "red"
            table.add_row(
                escape(answer.purpose), escape(answer.channel), f"[{colour}]{answer.status}[/]", answer.legal_basis or "",
                f"{answer.decided_at:%Y-%m-%d %H:%M}", escape(answer.source),
                "[yellow]records disagree[/]" if answer.conflicting else "",
            )  # fmt: skip
        console.print(table)
    else:
        console.print("No answer is known: nothing that needs consent is allowed.")
    if found.restricted:
        console.print(f"[red]Restricted for {', '.join(found.restricted)}.[/]")
    if found.entered:
        console.print("\nEntered by hand, in this order:")
        table = plain_table("purpose", "channel", "status", "answered (UTC)", "record", "how", "by")
        for decision in found.entered:
            table.add_row(
                escape(decision.purpose), escape(decision.channel), decision.status,
                f"{decision.occurred_at:%Y-%m-%d %H:%M}", escape(decision.record_id), escape(decision.method),
                escape(decision.decided_by),
            )  # fmt: skip
        console.print(table)


def show_restricted(person: "PersonRecords", kept: "Sequence[RestrictionDecision]", status: str) -> None:
    """What was decided, for whom."""
    if not kept:
        console.print(f"{person.customer_id} is {status} already; nothing was written.", highlight=False)
        return
    purposes = ", ".join(sorted({decision.purpose for decision in kept}))
    words = "Restricted" if status == "restricted" else "Released"
    console.print(
        f"{words} for {purposes}: {_records(person)} of {person.customer_id}.", highlight=False, soft_wrap=True
    )
    console.print(_NEXT_RUN)


def show_registry(entries: "Sequence[RegistryEntry]") -> None:
    """The registry, one line per column."""
    if not entries:
        console.print("No column of that kind.")
        return
    table = plain_table("table", "column", "class", "attribute", "from", "purposes (legal basis)", "kept")
    for entry in entries:
        purposes = ", ".join(f"{purpose.purpose} ({purpose.legal_basis})" for purpose in entry.purposes)
        table.add_row(
            escape(entry.table), escape(entry.column), entry.classification, entry.semantic or "",
            ", ".join(entry.sources), purposes, entry.retention or "[yellow]not said[/]",
        )  # fmt: skip
    console.print(table)
    console.print(
        f"[dim]{len(entries):,} columns. --table and --class choose, --all shows columns without personal data too.[/]"
    )


def show_violations(violations: "Sequence[Violation]") -> bool:
    """What would use data past what its purpose asks for. Returns whether there is nothing."""
    for violation in violations:
        console.print(f"[red]{escape(str(violation))}[/]", soft_wrap=True)
    if not violations:
        console.print("Nothing reaches personal data past what its purpose asks for.")
    return not violations


def show_roles(identity: "Identity", roles: "Roles") -> None:
    """Who acts, and what each role may do."""
    console.print(f"You are {escape(identity.words)}.", highlight=False)
    names = sorted(roles.roles)
    table = plain_table("permission", *names, "what it allows")
    for permission, text in roles.permissions.items():
        marks = ["yes" if permission in roles.roles[name] else "" for name in names]
        table.add_row(permission, *marks, text)
    console.print(table)


def _records(person: "PersonRecords") -> str:
    count = len(person.record_ids)
    words = "record" if count == 1 else "records"
    return f"{'all ' if person.whole and count > 1 else ''}{count:,} {words}"
