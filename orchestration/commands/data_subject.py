"""The commands `kindred erase`, `kindred export-subject` and `kindred retention`: names, options, exit codes. No logic."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestration.privacy.closure import Selector

Emails = Annotated[
    list[str] | None, typer.Option("--email", metavar="ADDRESS", help="A person by e-mail; may be repeated.")
]
Customers = Annotated[
    list[str] | None, typer.Option("--customer", metavar="ID", help="By customer id; may be repeated.")
]
Records = Annotated[
    list[str] | None, typer.Option("--record", metavar="ID", help="By a source record, such as crm:C7.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and change nothing.")]


def erase(
    emails: Emails = None,
    customers: Customers = None,
    records: Records = None,
    file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="CSV with a column email, customer or record: many people at once."
        ),
    ] = None,
    dry_run: DryRun = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with erasures that were interrupted.")] = False,
    lift: Annotated[
        str | None,
        typer.Option(metavar="REQUEST", help="Let the people of a request in again: they came back themselves."),
    ] = None,
) -> None:
    """Erase people from every store, keep them out, and certify it. Exit code 0 says that it is certified."""
    from orchestration.display.data_subject import erasure_progress, show_erased, show_lifted, show_plan
    from orchestration.ledger.store import Ledger
    from orchestration.ledger.tombstones import lift_tombstones
    from orchestration.privacy import erasure
    from orchestration.privacy.access import require
    from orchestration.privacy.selectors import read_selectors
    from orchestration.project import load_project
    from orchestration.republish import republish

    selectors = _selectors(emails, customers, records) + (read_selectors(file) if file else [])
    if bool(selectors) + resume + (lift is not None) != 1:
        raise typer.BadParameter(
            "name people (--email, --customer, --record, --file), or give --resume or --lift alone"
        )
    project = load_project()
    actor = require(project.settings, "erasure.request")
    if lift is not None:
        show_lifted(lift, lift_tombstones(Ledger.of(project.settings), lift, actor))
    elif dry_run and not resume:
        show_plan(erasure.plan(project, selectors))
    else:
        with erasure_progress() as on_step:
            done = (
                erasure.resume(project, republish, on_step)
                if resume
                else [erasure.erase(project, selectors, republish, on_step)]
            )
        show_erased(done)


def export_subject(
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder to write to; made readable by its owner only.")],
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="The person by e-mail.")] = None,
    customer: Annotated[str | None, typer.Option(metavar="ID", help="By customer id.")] = None,
    record: Annotated[str | None, typer.Option(metavar="ID", help="By a source record, such as crm:C7.")] = None,
) -> None:
    """Write everything held on a person as JSON and as a page, each value with its file, row and load date."""
    from orchestration.display.data_subject import show_exported
    from orchestration.privacy.access import require
    from orchestration.privacy.subject_export import export_subject as export
    from orchestration.project import load_project

    selectors = _selectors(*([value] if value else None for value in (email, customer, record)))
    if len(selectors) != 1:
        raise typer.BadParameter("name one person, by --email, --customer or --record")
    project = load_project()
    actor = require(project.settings, "access.export")
    show_exported(export(project, selectors[0], out, actor))


def retention(
    day: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="As of this day; by default the newest load date.",
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Remove what the contracts say has been kept long enough, by the same steps as an erasure."""
    from orchestration.display.data_subject import erasure_progress, show_erased, show_expired
    from orchestration.privacy import retention as rules
    from orchestration.privacy.access import require
    from orchestration.project import load_project
    from orchestration.republish import run_again

    project = load_project()
    require(project.settings, "retention.remove")
    as_of = day.date() if day else None
    if dry_run:
        show_expired(rules.find_expired(project, as_of))
        return
    with erasure_progress() as on_step:
        done = rules.remove_expired(project, as_of, run_again, on_step)
    show_erased([done] if done else [])


def _selectors(
    emails: Sequence[str] | None, customers: Sequence[str] | None, records: Sequence[str] | None
) -> "list[Selector]":
    from orchestration.privacy.closure import Selector

    given = {"email": emails, "customer": customers, "record": records}
    return [Selector(kind, value) for kind, values in given.items() for value in values or ()]  # type: ignore[arg-type]
