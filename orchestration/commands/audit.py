"""The command group `kindred audit`: names, options and exit codes. No logic."""

from pathlib import Path
from typing import Annotated

import typer

audit_app = typer.Typer(help="The hash-chained log of what people did.", no_args_is_help=True)


@audit_app.command("verify")
def verify(
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A head noted earlier that must be there still.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="An exported file instead of the ledger.")
    ] = None,
) -> None:
    """Prove that no entry of the log was changed, dropped or moved. Exit code 0 says so."""
    from orchestration.config import load_settings
    from orchestration.display.quarantine import show_verdict
    from orchestration.ledger.audit import head as read_head
    from orchestration.ledger.audit import verify as verify_chain
    from orchestration.ledger.audit_file import verify_file
    from orchestration.ledger.store import Ledger
    from orchestration.privacy.access import require

    settings = load_settings()
    if file is not None:
        # A file in hand can be verified by anybody; that is what it is for.
        sound = show_verdict(*verify_file(file, head))
    else:
        require(settings, "audit.show")
        ledger = Ledger.of(settings)
        sound = show_verdict(verify_chain(ledger, head), read_head(ledger))
    if not sound:
        raise typer.Exit(1)


@audit_app.command("show")
def show(limit: Annotated[int, typer.Option(min=1, help="At most so many entries, the latest.")] = 20) -> None:
    """The last entries: who did what to what, and when."""
    from orchestration.config import load_settings
    from orchestration.display.quarantine import show_audit_entries
    from orchestration.ledger.audit import entries
    from orchestration.ledger.store import Ledger
    from orchestration.privacy.access import require

    settings = load_settings()
    require(settings, "audit.show")
    show_audit_entries(entries(Ledger.of(settings), limit))


@audit_app.command("export")
def export(
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="File to write; by default the terminal.")] = None,
) -> None:
    """The whole log as JSON Lines with its hashes, to keep elsewhere and to verify: kindred audit verify --file FILE."""
    from orchestration.config import load_settings
    from orchestration.display.console import show_path
    from orchestration.ledger.audit import entries
    from orchestration.ledger.audit import head as read_head
    from orchestration.ledger.audit_file import export_lines
    from orchestration.ledger.store import Ledger
    from orchestration.privacy.access import require

    settings = load_settings()
    require(settings, "audit.show")
    ledger = Ledger.of(settings)
    # The head first: what is appended meanwhile must not look like a cut.
    head = read_head(ledger)
    lines = export_lines((entry for entry in entries(ledger) if entry.seq <= head.seq), head)
    if out is None:
        for line in lines:
            typer.echo(line)
        return
    out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    show_path("Written to", out)
