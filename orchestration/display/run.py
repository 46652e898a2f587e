"""What `kindred run`, `status`, `doctor` and `sample` show: progress, the account of a run, findings. Layout and words only."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from orchestration.daily import STAGES, DayRun, StepProgress, step_name
from orchestration.display.console import console, near
from orchestration.doctor import Finding, Verdict

if TYPE_CHECKING:
    from orchestration.sample import SampleSummary
    from orchestration.status import RunStatus

# Days shown side by side; more would not fit a terminal.
SHOWN_DAYS = 5


@contextmanager
def run_progress() -> Iterator[Callable[[StepProgress], None]]:
    """A progress bar over a day's steps. In a pipe or a log file, one line per stage."""
    if not console.is_terminal:
        yield _StageLines()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("[bold]{task.fields[day]}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[stage]}  {task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[object, object] = {}

        def show(step: StepProgress) -> None:
            task = tasks.get(step.load_date)
            if task is None:
                task = tasks[step.load_date] = progress.add_task("", total=step.total, day=step.load_date, stage="")
            progress.update(
                task,  # type: ignore[arg-type]
                completed=step.done,
                description=step_name(step.running),
                stage=step.stage,
            )

        yield show


class _StageLines:
    """Progress for logs: a line when a day's stage begins, in the order of the stages.

    What comes from the ledger is taken in at once and belongs to a later stage; that stage has not begun by it.
    """

    def __init__(self) -> None:
        self._begun: dict[object, int] = {}

    def __call__(self, step: StepProgress) -> None:
        begun = self._begun.get(step.load_date, 0)
        if begun < len(STAGES) and step.stage == STAGES[begun]:
            self._begun[step.load_date] = begun + 1
            console.print(f"{step.load_date}  {step.stage}")


def show_run(runs: Sequence[DayRun], published: Path, report: Path) -> None:
    """The account of the days that ran, then where to look, or what went wrong and what to do."""
    for run in runs:
        if run.unchanged_since:
            console.print(f"{run.load_date}: unchanged since run {run.unchanged_since[:8]}, nothing to do")
    last = runs[-1]
    runs = [run for run in runs if not run.unchanged_since]
    if not runs:
        console.print(f"Published  {near(published)}   (--force runs anyway)", soft_wrap=True)
        return
    shown = runs[-SHOWN_DAYS:]
    table = Table(
        title="What this run made", title_justify="left", header_style="bold", show_edge=False, pad_edge=False
    )
    table.add_column("load date")
    for run in shown:
        table.add_column(str(run.load_date), justify="right")
    rows: list[tuple[str, Callable[[DayRun], str]]] = [
        ("rows collected", lambda r: f"{r.rows_collected:,}"),
        ("rows quarantined", lambda r: f"{r.rows_quarantined:,}"),
        ("customer records", lambda r: f"{r.records:,}" if r.published else "-"),
        ("customers", lambda r: f"{r.customers:,}" if r.published else "-"),
        ("duplicates merged", lambda r: f"{r.duplicates_merged:,}" if r.published else "-"),
        ("checks passed", lambda r: f"{r.checks_passed:,}"),
        ("checks that held rows back", lambda r: f"{r.checks_held_rows:,}"),
        ("checks that warned", lambda r: f"{r.checks_warned:,}"),
        ("checks that stopped the run", lambda r: f"{r.checks_stopped:,}"),
        *((f"seconds in {stage}", lambda r, s=stage: f"{r.stage_seconds.get(s, 0):.1f}") for stage in STAGES),
        ("seconds in all", lambda r: f"{r.seconds:.1f}"),
        ("published", lambda r: "[green]yes[/]" if r.published else "[red]no[/]"),
    ]  # type: ignore[list-item]
    for title, cell in rows:
        table.add_row(title, *(cell(run) for run in shown))
    console.print()
    if len(runs) > SHOWN_DAYS:
        console.print(f"[dim]{len(runs)} days ran; the last {SHOWN_DAYS} are shown.[/]")
    console.print(table)
    console.print()
    if last.published:
        console.print(f"Published  {near(published)}", soft_wrap=True)
        console.print(f"Report     {near(report)}", soft_wrap=True)
        console.print("Lineage    make dev   (Dagster UI on http://localhost:3000)")
    else:
        _show_failures(last, published)


def _show_failures(run: DayRun, published: Path) -> None:
    console.print(f"[red bold]{run.load_date} was not published.[/]")
    for failure in run.failures:
        console.print(f"[red]{failure.stage}[/], {step_name(failure.step)}")
        console.print(failure.message, markup=False, highlight=False, soft_wrap=True)
    for line in run.untold:
        console.print(line, markup=False, soft_wrap=True)
    if published.exists():
        console.print(f"The file published before is still in place, unchanged: {near(published)}")
    console.print("Mend what is named above and run the day again; nothing that landed is lost.")


def show_status(runs: Sequence["RunStatus"], published: Path) -> None:
    """The last runs, newest first, and the state of the published file."""
    if not runs:
        console.print("No run yet. Start one with `kindred run`.")
        return
    table = Table(title="Last runs", title_justify="left", header_style="bold", show_edge=False, pad_edge=False)
    for column in ("load date", "run", "status", "started (UTC)"):
        table.add_column(column)
    for column in ("seconds", "checks passed", "failed"):
        table.add_column(column, justify="right")
    colours = {"success": "green", "failure": "red"}
    for run in runs:
        table.add_row(
            run.load_date,
            run.run_id[:8],
            f"[{colours.get(run.status, 'yellow')}]{run.status}[/]",
            f"{run.started:%Y-%m-%d %H:%M:%S}" if run.started else "",
            f"{run.seconds:.1f}" if run.seconds is not None else "",
            "" if run.checks_passed is None else f"{run.checks_passed:,}",
            "" if run.checks_failed is None else f"{run.checks_failed:,}",
        )
    console.print(table)
    if published.exists():
        changed = datetime.fromtimestamp(published.stat().st_mtime, UTC)
        console.print(f"\nPublished file: {near(published)}, of {changed:%Y-%m-%d %H:%M:%S} UTC")


def show_findings(findings: Iterable[Finding]) -> bool:
    """The doctor's findings as they come, each with its remedy. Returns whether nothing failed."""
    marks = {Verdict.OK: "[green]ok[/]  ", Verdict.WARN: "[yellow]warn[/]", Verdict.FAIL: "[red]FAIL[/]"}
    healthy = True
    for finding in findings:
        healthy = healthy and finding.verdict is not Verdict.FAIL
        console.print(f"{marks[finding.verdict]} {finding.subject:<14} {escape(finding.seen)}", soft_wrap=True)
        if finding.remedy:
            console.print(f"     {'':<14} -> {escape(finding.remedy)}", soft_wrap=True)
    return healthy


def show_sample(made: "SampleSummary") -> None:
    """What the sample company holds."""
    rows = ", ".join(f"{source} {count:,}" for source, count in made.rows_by_source().items())
    console.print(
        f"Sample company: {made.people:,} people in {made.households:,} households, {made.records:,} customer records."
    )
    console.print(f"Rows landed: {rows}.", soft_wrap=True)
    console.print(f"Planted for the gates to find: {sum(made.defects.values()):,} bad values and rows.")
    console.print(f"Landing {near(made.landing)}, truth {near(made.truth)}\n", soft_wrap=True)
