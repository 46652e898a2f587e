"""What `kindred quarantine`, `kindred audit` and `kindred reconcile` show. Layout and words only."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from orchestration.display.console import console, plain_table

if TYPE_CHECKING:
    from orchestration.ledger.audit import AuditEntry, Head
    from orchestration.quality.held import Count
    from orchestration.quality.reconciliation import Account
    from orchestration.quality.replay import Outcome


def show_counts(counts: "Sequence[Count]") -> None:
    """Rows held back by table, day and check; discarded rows below them."""
    if not counts:
        console.print("Nothing is held back.")
        return
    table = plain_table("table", "load date", "check")
    table.add_column("rows", justify="right")
    for count in counts:
        check = escape(count.check) if count.check else "[dim](discarded)[/]"
        table.add_row(count.table, str(count.load_date), check, f"{count.rows:,}")
    console.print(table)


def show_entries(entries: Sequence[Mapping[str, Any]], limit: int) -> None:
    """Quarantine entries, one line each."""
    if not entries:
        console.print("Nothing is held back for that.")
        return
    table = plain_table("load date", "file", "row", "check", "value", "reason")
    for entry in entries:
        place = entry["file"] or f"key {entry['key']}"
        cells = (entry["load_date"], place, entry["row"], entry["check"], entry["value"], entry["reason"])
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in cells))
    console.print(table)
    if len(entries) == limit:
        console.print(f"[dim]The first {limit:,}; --limit shows more.[/]")


def show_outcome(outcome: "Outcome") -> bool:
    """What a replay or discard came to. Returns whether every gate lets its day pass."""
    if not outcome.days:
        known = f" ({outcome.repeated} decided already)" if outcome.repeated else ""
        console.print(f"Nothing to do: no row of {outcome.table} is held back for that{known}.")
        return True
    days = ", ".join(str(day) for day in outcome.days)
    console.print(
        f"{outcome.table}, {days}: {outcome.released:,} released, {outcome.held_after:,} of {outcome.held_before:,} "
        f"rows of the table still held back; {outcome.decided:,} decisions kept, {outcome.repeated:,} known already.",
        soft_wrap=True,
    )
    for gate in outcome.gates:
        if not gate.passed:
            console.print(gate.summary(), markup=False, highlight=False, soft_wrap=True)
    console.print(f"Bring it to the marts with: kindred run --date {outcome.days[-1]}")
    return all(gate.passed for gate in outcome.gates)


def show_verdict(problems: Sequence[str], head: "Head") -> bool:
    """Whether the audit chain is whole, and the head to note."""
    for problem in problems:
        console.print(f"[red]{escape(problem)}[/]", soft_wrap=True)
    if not problems:
        console.print(f"The audit chain is whole: {head.seq:,} entries. Head: {head.hash}", soft_wrap=True)
    return not problems


def show_audit_entries(entries: "Sequence[AuditEntry]") -> None:
    """Entries of the audit log, oldest first."""
    if not entries:
        console.print("Nothing has been written to the audit log yet.")
        return
    table = plain_table("no.", "at (UTC)", "who", "what", "on", "details")
    for entry in entries:
        details = json.dumps(entry.details, ensure_ascii=False)
        cells = (entry.seq, f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.actor, entry.action, entry.subject, details)
        table.add_row(*(escape(str(cell)) for cell in cells))
    console.print(table)


def show_reconciliation(accounts: "Sequence[Account]") -> bool:
    """Each table's day with what became of its rows. Returns whether all are accounted for."""
    if not accounts:
        console.print("No day has been reconciled yet: `kindred run` does it.")
        return True
    table = plain_table("table", "load date")
    for column in ("landed", "loaded", "quarantined", "discarded", "suppressed", "superseded", "difference"):
        table.add_column(column, justify="right")
    for account in accounts:
        colour = "red" if account.difference else "green"
        superseded = "" if account.superseded is None else f"{account.superseded:,}"
        table.add_row(
            account.table.removeprefix("raw."),
            str(account.load_date),
            *(f"{n:,}" for n in (account.landed, account.loaded, account.quarantined, account.discarded)),
            f"{account.suppressed:,}",
            superseded,
            f"[{colour}]{account.difference:,}[/]",
        )
    console.print(table)
    return not any(account.difference for account in accounts)
