"""The command line `kindred`: names, options and exit codes. No logic.

Heavy libraries are imported inside the commands, so that `kindred --help` answers at once.
"""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.audit import audit_app
from orchestration.commands.consent import consent_app, release, restrict
from orchestration.commands.data_subject import erase, export_subject, retention
from orchestration.commands.landing import landing_app
from orchestration.commands.model import model_app
from orchestration.commands.privacy import privacy_app
from orchestration.commands.quarantine import quarantine_app, reconcile
from orchestration.commands.review import explain, review
from orchestration.commands.source import contract_app, source_app
from orchestration.commands.warehouse import warehouse_app

FIRST_SAMPLE_DAY = datetime(2026, 1, 5)

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
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Backfill: the first day to run."),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Backfill: the last day, included."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run days that have not changed, too, and link all records anew.")
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--extract-again", help="Take landed days anew from databases, APIs and buckets before running."),
    ] = False,
    sample_if_empty: Annotated[
        bool, typer.Option(help="Make the sample company first when nothing has landed yet.")
    ] = False,
) -> None:
    """Run the daily job: for a day, a range, all landed days, or the newest one. Exit code 0 says that it is published."""
    from orchestration.config import load_settings
    from orchestration.daily import published_file, run_days
    from orchestration.days import days_between, days_to_run, extract_again
    from orchestration.display.run import run_progress, show_run
    from orchestration.notify import telling
    from orchestration.privacy.access import authorise
    from orchestration.project import load_project

    if (day is not None) + every + (first is not None or last is not None) > 1:
        raise typer.BadParameter("choose one of --date, --all, and --from with --to")
    if first is not None and last is not None and first > last:
        raise typer.BadParameter(f"--from {first.date()} is after --to {last.date()}")
    authorise("publish")
    settings = load_settings()
    with telling(settings, day.date() if day else None):
        project = load_project()
        if sample_if_empty and not any(settings.landing.glob("*/*/*")):
            project.transform.start_parsing()
            sample()
        if first or last:
            days = days_between(project, first.date() if first else None, last.date() if last else None)
        else:
            days = days_to_run(project, day.date() if day else None, every=every)
        if again:
            extract_again(project, days)
        with run_progress() as on_progress:
            runs = list(run_days(project, days, on_progress, force=force))
    show_run(runs, published_file(project), settings.published / "report.html")
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
    ] = FIRST_SAMPLE_DAY,
) -> None:
    """Write the landing files of a sample company, and their truth beside them for `kindred evaluate`."""
    from orchestration.display.run import show_sample
    from orchestration.project import load_project
    from orchestration.sample import generate

    landing = out or load_project().settings.landing
    show_sample(generate(customers, days, seed, landing, start=start.date()))


@app.command()
def status(limit: Annotated[int, typer.Option(min=1, help="How many runs.")] = 10) -> None:
    """Show the last runs and what the quality gates said."""
    from orchestration.daily import published_file
    from orchestration.display.run import show_status
    from orchestration.project import load_project
    from orchestration.status import last_runs

    project = load_project()
    show_status(last_runs(project, limit), published_file(project))


@app.command()
def doctor() -> None:
    """Check the environment: what is wrong, and how to mend it. Exit code 0 says that nothing is."""
    from orchestration.config import load_settings
    from orchestration.display.run import show_findings
    from orchestration.doctor import examine

    if not show_findings(examine(load_settings())):
        raise typer.Exit(1)


@app.command()
def evaluate(
    truth: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Parquet with record_id and person_id of every record.")
    ],
    visits: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Parquet with message_id and person_id of web events: measures stitching."
        ),
    ] = None,
) -> None:
    """Compare the resolved customers with a truth: precision, recall and F1, and what blocking missed."""
    from orchestration.display.model import show_blocking, show_scores, show_stitching
    from orchestration.linkage import evaluate_file
    from orchestration.linkage.recall import blocking_recall_of_file
    from orchestration.linkage.registry import current_model
    from orchestration.linkage.stitching import evaluate_stitching
    from orchestration.project import load_project

    project = load_project()
    model = current_model(project.settings.models)
    with project.warehouse() as con:
        show_scores(evaluate_file(con, "resolution.memberships", truth))
        if model is not None:
            show_blocking(blocking_recall_of_file(con, model, "cleansing.standardised_records", truth))
        if visits is not None:
            show_stitching(evaluate_stitching(con, truth, visits))


@app.command()
def resolve(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="CSV, JSON Lines or Parquet.")],
    id_column: Annotated[str, typer.Option("--id", help="Column that names a record.")],
    out: Annotated[Path, typer.Option(help="Parquet to write: record_id, customer_id, match_probability.")],
    source: Annotated[str | None, typer.Option(help="Column that names a record's source.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", metavar="ATTRIBUTE=COLUMN", help="Where an attribute stands.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML page on the model and what it found.")] = None,
    model: Annotated[
        Path | None, typer.Option(exists=True, help="A trained model: its MODEL.json or its folder.")
    ] = None,
) -> None:
    """Resolve the records of any files to people: no labels, no configuration beyond naming columns."""
    from orchestration.display.model import show_resolution
    from orchestration.linkage import LinkageModel, resolve_files
    from orchestration.project import load_project

    load_project()  # Tells of the landing folder's key: a file may lie there.
    pairs = [entry.partition("=") for entry in mapping or []]
    if wrong := [entry for entry, (_, equals, _) in zip(mapping or [], pairs, strict=True) if not equals]:
        raise typer.BadParameter(f"{wrong[0]!r} is not of the form attribute=column", param_hint="--map")
    show_resolution(
        resolve_files(
            files,
            id_column,
            source,
            {attribute: column for attribute, _, column in pairs},
            out=out,
            report=report,
            model=LinkageModel.load(model) if model else None,
        )
    )


@app.command()
def docs() -> None:
    """Build the documentation of the dbt project as one page: models, columns, tests, lineage."""
    from orchestration.display.console import show_path
    from orchestration.project import load_project

    show_path("dbt documentation", load_project().transform.build_docs())


@app.command()
def dev(port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000) -> None:
    """Open the Dagster UI: lineage, checks, and the runs that `kindred run` made. Ctrl-C ends it and all that it started."""
    from orchestration.config import PROJECT_ROOT
    from orchestration.foreground import serve
    from orchestration.project import load_project

    project = load_project()
    project.prepare_dagster_home()
    project.transform.prepare()
    dagster = str(Path(sys.executable).parent / "dagster")
    raise typer.Exit(serve([dagster, "dev", "--workspace", "workspace.yaml", "--port", str(port)], PROJECT_ROOT))


app.add_typer(source_app, name="source")
app.add_typer(contract_app, name="contract")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(landing_app, name="landing")
app.add_typer(warehouse_app, name="warehouse")
app.add_typer(audit_app, name="audit")
app.add_typer(model_app, name="model")
app.add_typer(privacy_app, name="privacy")
app.add_typer(consent_app, name="consent")
app.command("restrict")(restrict)
app.command("release")(release)
app.command("reconcile")(reconcile)
app.command("erase")(erase)
app.command("export-subject")(export_subject)
app.command("retention")(retention)
app.command("review")(review)
app.command("explain")(explain)


def main() -> None:
    """Run the command line; errors made for people are printed as such, without a stack trace."""
    from orchestration.config import keep_to_owner
    from orchestration.errors import KindredError

    keep_to_owner()
    try:
        app()
    except KindredError as error:
        typer.secho(f"kindred: {error}", fg="red", err=True)
        for note in getattr(error, "__notes__", []):
            typer.secho(note, fg="yellow", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
