"""The command line `kindred`: names, options and exit codes. No logic.

Heavy libraries are imported inside the commands, so that `kindred --help` answers at once.
"""

import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="kindred",
    help="A customer data platform in one repository: identity, privacy and customer analytics, every answer explainable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Day = Annotated[
    datetime | None,
    typer.Option("--date", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Landing day to run."),
]


@app.command()
def run(
    day: Day = None,
    every: Annotated[bool, typer.Option("--all", help="Run every landed day, in order.")] = False,
) -> None:
    """Run the daily job: for a day, for all landed days, or for the newest one. Exit code 0 says that it published."""
    from orchestration.daily import days_to_run, published_file, run_days
    from orchestration.display import run_progress, show_run
    from orchestration.project import load_project

    if day is not None and every:
        raise typer.BadParameter("choose --date or --all, not both")
    project = load_project()
    days = days_to_run(project, day.date() if day else None, every=every)
    with run_progress() as on_progress:
        runs = list(run_days(project, days, on_progress))
    show_run(runs, published_file(project), project.settings.published / "report.html")
    if not runs[-1].published:
        raise typer.Exit(1)


@app.command()
def sample(
    customers: Annotated[int, typer.Option(min=1, help="People in the sample company.")] = 2000,
    days: Annotated[int, typer.Option(min=1, help="Landing days to write.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 7,
    out: Annotated[Path | None, typer.Option(help="Landing folder; by default the project's.")] = None,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The first landing day.")
    ] = datetime(2026, 1, 5),
) -> None:
    """Write the landing files of a sample company, and their truth beside them for `kindred evaluate`."""
    from orchestration.config import load_settings
    from orchestration.display import show_sample
    from orchestration.sample import generate

    landing = out or load_settings().landing
    show_sample(generate(customers, days, seed, landing, start=start.date()))


def main() -> None:
    """Run the command line; errors made for people are printed as such, without a stack trace."""
    from orchestration.errors import KindredError

    try:
        app()
    except KindredError as error:
        typer.secho(f"kindred: {error}", fg="red", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
