"""`kindred run`: the daily job for one day or several, in this process, with progress and an account at the end.

Belongs here: running Dagster's job for each day, and gathering what came of it. Does not belong here: choosing days (see
`days`), what the job does (see `defs`) and how the account looks (see `display`).
"""

import gc
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.notify import Notice, problems_of, send
from orchestration.project import Project
from orchestration.unchanged import published_by

if TYPE_CHECKING:
    import dagster as dg

JOB = "daily_run"
STAGES = ("collection", "integration", "cleansing", "storage", "analysis")
GATE_PREFIX = "gate_"
STAGE_TAG = "kindred/stage"
# Marks a run of the command line, which tells people of failures itself.
COMMAND_LINE_TAG = "kindred/command_line"
# Asks for whole results where a run would build on those of the run before.
FULL_TAG = "kindred/full"
# New objects between two looks for garbage among them, beside the look after each day; Python's own is 700.
_GARBAGE_THRESHOLD = 1_000_000


def step_name(step: str) -> str:
    """A step by the table it makes or checks: `gate of raw.crm__contacts`."""
    table = step.removeprefix(GATE_PREFIX).replace("__", ".", 1)
    return f"gate of {table}" if step.startswith(GATE_PREFIX) else table


@dataclass
class Failure:
    """A step that failed: its stage, its name and what it said."""

    stage: str
    step: str
    message: str


@dataclass
class DayRun:
    """What came of one day's run."""

    load_date: date
    run_id: str
    published: bool
    seconds: float
    stage_seconds: dict[str, float]
    failures: list[Failure]
    rows_collected: int = 0
    rows_quarantined: int = 0
    records: int = 0
    customers: int = 0
    checks_passed: int = 0
    checks_held_rows: int = 0
    checks_stopped: int = 0
    checks_warned: int = 0
    untold: list[str] = field(default_factory=list)
    """Why nobody could be told of the failures: a line for each way that did not work."""
    unchanged_since: str | None = None
    """Set when nothing was run: the run that published what a run of this day would publish again."""

    @property
    def duplicates_merged(self) -> int:
        """Records beyond the first of their customer."""
        return self.records - self.customers


@dataclass
class StepProgress:
    """Where a day's run stands, for a progress display."""

    load_date: date
    total: int
    done: int = 0
    running: str = ""
    stage: str = ""


OnProgress = Callable[[StepProgress], None]


@dataclass
class _Listener:
    """Hears Dagster's events: seconds per stage, failures, dbt's test results, progress."""

    stage_of_step: dict[str, str]
    progress: StepProgress
    on_progress: OnProgress
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    failures: list[Failure] = field(default_factory=list)
    blocked: dict[str, str] = field(default_factory=dict)
    """What the gate of a step said when it blocked."""
    checks_passed: int = 0
    checks_failed: int = 0
    checks_warned: int = 0
    _started: float = 0.0

    def __call__(self, event: "dg.DagsterEvent") -> None:
        import dagster as dg

        step = event.step_key or ""
        stage = self.stage_of_step.get(step, "")
        match event.event_type:
            case dg.DagsterEventType.STEP_START:
                self._started = time.perf_counter()
                self.progress.running, self.progress.stage = step, stage
                self.on_progress(self.progress)
            case dg.DagsterEventType.STEP_SUCCESS | dg.DagsterEventType.STEP_FAILURE:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - self._started
                self.progress.done += 1
                self.on_progress(self.progress)
                if event.event_type is dg.DagsterEventType.STEP_FAILURE:
                    self.failures.append(Failure(stage, step, self.blocked.get(step) or failure_message(event)))
            case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                self._hear_check(step, event.asset_check_evaluation_data)
            case _:
                pass

    def _hear_check(self, step: str, check: "dg.AssetCheckEvaluation") -> None:
        import dagster as dg

        if step.startswith(GATE_PREFIX):
            # What a gate checks is counted one by one from quality.check_results.
            if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
                self.blocked[step] = check.description or ""
        elif check.passed:
            self.checks_passed += 1
        elif check.severity is dg.AssetCheckSeverity.WARN:
            self.checks_warned += 1
        else:
            self.checks_failed += 1


def failure_message(event: "dg.DagsterEvent") -> str:
    """The innermost cause that was raised for people; Dagster wraps it."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "failed without a message"
    name = error.cls_name or ""
    text = (error.message or "").strip()
    return text.removeprefix(f"{name}: ").removeprefix(f"orchestration.{name}: ")


def run_days(
    project: Project, days: Sequence[date], on_progress: OnProgress, *, force: bool = False
) -> Iterator[DayRun]:
    """Run the daily job for each day in order; stop behind the first that does not publish.

    A day for which everything is as it was when it was published is not run again, unless `force` says so. Each run is
    recorded in the data folder's Dagster instance, where `kindred dev` shows it.

    Raises:
        WarehouseLockedError: another run is going on.
    """
    _be_quiet()
    waiting = list(days)
    while waiting and not force and (run_id := published_by(project, waiting[0])):
        # Before Dagster and dbt are imported and the project is parsed: these take longer than looking.
        yield _unchanged(waiting.pop(0), run_id)
    if waiting:
        yield from _run_waiting(project, waiting, on_progress, force)


def _unchanged(day: date, run_id: str) -> DayRun:
    return DayRun(day, run_id, True, 0.0, {}, [], unchanged_since=run_id)


def _run_waiting(project: Project, days: list[date], on_progress: OnProgress, force: bool) -> Iterator[DayRun]:
    project.prepare_dagster_home()
    # What can be wrong for a person to mend is found here, before Dagster wraps it.
    with _rare_garbage_collection() as keep:
        job = _job(project)
        keep()
        yield from _run_job(project, job, days, on_progress, force)


def _job(project: Project) -> "dg.JobDefinition":
    """The daily job, once everything that it needs is imported and parsed."""
    # What can be wrong for a person to mend is found here, before Dagster wraps it.
    with project.exclusive():
        project.transform.start_parsing()
        import dbt.cli.main  # noqa: F401 - these imports take seconds, meanwhile

        import expectations.duckdb_engine  # noqa: F401
        from orchestration.definitions import defs

        project.transform.prepare()
    return defs().resolve_job_def(JOB)


@contextmanager
def _rare_garbage_collection() -> Iterator[Callable[[], None]]:
    """Look for garbage seldom, and never among what is to stay: call what is yielded when that has been made.

    Libraries and dbt's manifest are a million objects that live as long as the process. Python looked through them twelve
    times in a run of three days of the sample, for half a second each.
    """
    before = gc.get_threshold()
    gc.disable()
    try:
        yield _keep_present_objects
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        gc.enable()


def _keep_present_objects() -> None:
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD, 20, 20)
    gc.enable()


def _run_job(
    project: Project, job: "dg.JobDefinition", days: list[date], on_progress: OnProgress, force: bool
) -> Iterator[DayRun]:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        for number, day in enumerate(days):
            # The first is known to have changed.
            known = published_by(project, day) if number and not force else None
            if known:
                yield _unchanged(day, known)
                continue
            outcome = _run_day(project, job, instance, day, on_progress, force)
            if not outcome.published:
                steps = [(failure.stage, step_name(failure.step), failure.message) for failure in outcome.failures]
                outcome.untold = send(project.settings, Notice(day, outcome.run_id, problems_of(steps)))
            yield outcome
            if not outcome.published:
                return
            gc.collect()


def _run_day(
    project: Project,
    job: "dg.JobDefinition",
    instance: "dg.DagsterInstance",
    day: date,
    on_progress: OnProgress,
    force: bool,
) -> DayRun:
    stages = _stages_of_steps(job)
    hear = _Listener(stages, StepProgress(day, total=len(stages)), on_progress)
    started = time.perf_counter()
    with _listening(hear):
        result = job.execute_in_process(
            instance=instance,
            partition_key=day.isoformat(),
            raise_on_error=False,
            run_config={"loggers": {"progress": {}}},
            tags={COMMAND_LINE_TAG: "true", FULL_TAG: str(force).lower()},
        )
    outcome = DayRun(
        load_date=day,
        run_id=result.run_id,
        published=result.success,
        seconds=time.perf_counter() - started,
        stage_seconds=hear.seconds,
        failures=hear.failures,
        checks_passed=hear.checks_passed,
        checks_stopped=hear.checks_failed,
        checks_warned=hear.checks_warned,
    )
    _count(project, outcome)
    return outcome


def _stages_of_steps(job: "dg.JobDefinition") -> dict[str, str]:
    """Which stage each step of the job belongs to, as its op's tag says."""
    return {node.name: node.definition.tags.get(STAGE_TAG, "") for node in job.nodes}


@contextmanager
def _listening(hear: _Listener) -> Iterator[None]:
    from orchestration.defs.progress import listener

    token = listener.set(hear)
    try:
        yield
    finally:
        listener.reset(token)


def _count(project: Project, outcome: DayRun) -> None:
    """Fill in the run's numbers from the warehouse."""
    with project.warehouse() as con:
        loads = con.execute(
            "select coalesce(sum(rows_landed), 0) from quality.loads where load_date = ?", [outcome.load_date]
        ).fetchall()[0]
        outcome.rows_collected = int(loads[0])
        outcome.rows_quarantined = _quarantined(con, outcome.load_date)
        checks = con.execute(
            """
            select
                count(*) filter (where success),
                count(*) filter (where not success and level = 'row' and evaluated),
                count(*) filter (where not success and severity = 'warn' and not (level = 'row' and evaluated)),
                count(*) filter (where not success and severity = 'block' and not (level = 'row' and evaluated))
            from quality.check_results
            where run_id = ?
            """,
            [outcome.run_id],
        ).fetchall()[0]
        outcome.checks_passed += int(checks[0])
        outcome.checks_held_rows += int(checks[1])
        outcome.checks_warned += int(checks[2])
        outcome.checks_stopped += int(checks[3])
        if outcome.published:
            records = con.execute(
                "select count(*), count(distinct customer_id) from resolution.memberships"
            ).fetchall()[0]
            outcome.records, outcome.customers = int(records[0]), int(records[1])


def _quarantined(con, load_date: date) -> int:  # type: ignore[no-untyped-def]
    """Rows of the day that are held back, each once however many checks it failed."""
    tables = con.execute("select table_name from duckdb_tables() where schema_name = 'quarantine'").fetchall()
    return sum(
        int(
            con.execute(
                f"""
                select count(distinct (file, row_number, row_key))
                from quarantine.{name}
                where load_date = ?
                """,
                [load_date],
            ).fetchall()[0][0]
        )
        for (name,) in tables
    )


def _be_quiet() -> None:
    """Silence what libraries print at their own initiative; what matters is in the account and in Dagster's log."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    warnings.filterwarnings("ignore")
    # A library's first logging call gives the root logger a handler to the terminal, unless it has one.
    logging.getLogger().addHandler(logging.NullHandler())


def published_file(project: Project) -> Path:
    """Where the published file lies."""
    return project.settings.published / "analytics.duckdb"
