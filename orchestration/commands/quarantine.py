"""The command group `kindred quarantine` and `kindred reconcile`: names, options and exit codes. No logic."""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestration.quality.correction_file import Correction
    from orchestration.quality.held import Selection

quarantine_app = typer.Typer(
    help="Rows held back by the gates: look, correct and replay, discard.", no_args_is_help=True
)

TableName = Annotated[str, typer.Argument(metavar="TABLE", help="Such as crm__contacts.")]
LoadDate = Annotated[
    datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Rows of this load date.")
]
Check = Annotated[str | None, typer.Option(help="Rows that failed this check, such as type:birth_date.")]
File = Annotated[str | None, typer.Option(help="Rows of this file, as it lies below the landing folder.")]
Row = Annotated[int | None, typer.Option(min=1, help="The row with this number in its file; needs --file.")]


@quarantine_app.command("list")
def list_(
    source: Annotated[str | None, typer.Option(help="Tables of this source.")] = None,
    day: LoadDate = None,
    check: Check = None,
) -> None:
    """How many rows are held back, by table, day and check."""
    from orchestration.display.quarantine import show_counts
    from orchestration.project import load_project
    from orchestration.quality.held import list_held

    with load_project().warehouse() as con:
        show_counts(list_held(con, source, _date(day), check))


@quarantine_app.command("show")
def show(
    table: TableName,
    day: LoadDate = None,
    check: Check = None,
    file: File = None,
    row: Row = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many entries.")] = 50,
) -> None:
    """The rows held back of a table: file, row, check, value and reason. Shows personal data."""
    from orchestration.display.quarantine import show_entries
    from orchestration.privacy.access import require
    from orchestration.project import load_project
    from orchestration.quality.held import show_held

    project = load_project()
    require(project.settings, "quarantine.show")
    with project.warehouse() as con:
        show_entries(show_held(con, table, _selection(day, check, file, row), limit), limit)


@quarantine_app.command("replay")
def replay(
    table: TableName,
    day: LoadDate = None,
    check: Check = None,
    file: File = None,
    row: Row = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="COLUMN=VALUE", help="Correct one row, as its source writes it; may be repeated."
        ),
    ] = None,
    corrections: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="CSV with file, row_number and the columns to correct."),
    ] = None,
) -> None:
    """Take rows in again through the same gate, corrected or under a mended contract. Exit code 1: the gate blocks."""
    from orchestration.display.quarantine import show_outcome
    from orchestration.privacy.access import require
    from orchestration.project import load_project
    from orchestration.quality.correction_file import read_corrections
    from orchestration.quality.replay import open_desk
    from orchestration.quality.replay import replay as replay_rows

    if values and corrections:
        raise typer.BadParameter("choose --set or --corrections, not both")
    project = load_project()
    require(project.settings, "quarantine.replay")
    given = [_correction(values, file, row)] if values else read_corrections(corrections) if corrections else []
    with open_desk(project, table) as desk:
        outcome = replay_rows(desk, _selection(day, check, file, row), given)
    if not show_outcome(outcome):
        raise typer.Exit(1)


@quarantine_app.command("discard")
def discard(
    table: TableName,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log, so name no person.")],
    day: LoadDate = None,
    check: Check = None,
    file: File = None,
    row: Row = None,
) -> None:
    """Leave rows out for good. Choose them by day, check, or file and row. Exit code 1: the gate blocks."""
    from orchestration.display.quarantine import show_outcome
    from orchestration.privacy.access import require
    from orchestration.project import load_project
    from orchestration.quality.replay import discard as discard_rows
    from orchestration.quality.replay import open_desk

    project = load_project()
    require(project.settings, "quarantine.discard")
    with open_desk(project, table) as desk:
        outcome = discard_rows(desk, _selection(day, check, file, row), reason)
    if not show_outcome(outcome):
        raise typer.Exit(1)


def reconcile(day: LoadDate = None) -> None:
    """Account for every landed row: loaded, quarantined, discarded, suppressed. Exit code 1: some are unaccounted for."""
    from orchestration.display.quarantine import show_reconciliation
    from orchestration.project import load_project
    from orchestration.quality.reconciliation import read_reconciliation

    with load_project().warehouse() as con:
        accounts = read_reconciliation(con, _date(day))
    if not show_reconciliation(accounts):
        raise typer.Exit(1)


def _date(day: datetime | None) -> date | None:
    return day.date() if day else None


def _selection(day: datetime | None, check: str | None, file: str | None, row: int | None) -> "Selection":
    from orchestration.quality.held import Selection

    if row is not None and file is None:
        raise typer.BadParameter("a row is known by its file too: give --file")
    return Selection(_date(day), check, file, row)


def _correction(values: list[str], file: str | None, row: int | None) -> "Correction":
    from orchestration.quality.correction_file import Correction
    from orchestration.quality.decided import Place

    if file is None or row is None:
        raise typer.BadParameter("--set corrects one row: name it by --file and --row")
    pairs = [value.partition("=") for value in values]
    if any(not equals or not column for column, equals, _ in pairs):
        raise typer.BadParameter("give it as COLUMN=VALUE; COLUMN= means no value")
    return Correction(Place(file, row), {column: value or None for column, _, value in pairs})
