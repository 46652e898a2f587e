"""When things run: the daily job, its schedule, and the sensor that starts it for a landing day that is complete."""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg

from orchestration.daily import COMMAND_LINE_TAG, failure_message, step_name
from orchestration.defs.cleansing.models import CANDIDATE_KEY
from orchestration.defs.gates import data_docs_after_failure
from orchestration.defs.privacy.assets import RETENTION_KEY
from orchestration.defs.progress import progress_logger
from orchestration.defs.resources import FIRST_LOAD_DATE, load_dates, project, run_lock
from orchestration.notify import Notice, problems_of, send
from orchestration.sources.deliveries import landed_days
from orchestration.sources.extract import is_asked

COMPLETE_MARKER = "_SUCCESS"
# The sensor looks this far back, so that a late day is still seen and a long history is not walked every minute.
SENSOR_DAYS = 31

daily_run = dg.define_asset_job(
    "daily_run",
    # Training changes who is who only when somebody promotes the result: no day's work.
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(CANDIDATE_KEY, RETENTION_KEY),
    partitions_def=load_dates,
    # DuckDB has one writer, and dbt shares this process.
    executor_def=dg.in_process_executor,
    hooks={data_docs_after_failure},
    description="Everything for one load date: load it, rebuild what follows from it, pass the gates, publish.",
)


@dg.schedule(job=daily_run, cron_schedule="0 6 * * *", execution_timezone="UTC")
def daily_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Run the day's partition every morning at six. Switch on this or the sensor."""
    day = context.scheduled_execution_time.date().isoformat()
    return dg.RunRequest(partition_key=day, run_key=day)


def complete_days(today: date) -> Iterator[tuple[date, str]]:
    """Landed days for which every source that owes a daily delivery has marked it complete, with a mark of its state.

    Nobody waits for a source that Kindred asks itself: the run asks it.
    """
    kindred = project()
    landing = kindred.settings.landing
    daily = [contract.source for contract in kindred.contracts if contract.daily and not is_asked(contract)]
    first = max(date.fromisoformat(FIRST_LOAD_DATE), today - timedelta(days=SENSOR_DAYS))
    for day in landed_days(landing, kindred.sources):
        markers = [landing / source / day.isoformat() / COMPLETE_MARKER for source in daily]
        if day >= first and markers and all(marker.exists() for marker in markers):
            yield day, str(max(marker.stat().st_mtime_ns for marker in markers))


@dg.sensor(job=daily_run, minimum_interval_seconds=60)
def landing_day_complete(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Start the daily run of each complete landing day once, and again when a source delivers that day anew."""
    requests = [
        dg.RunRequest(partition_key=day.isoformat(), run_key=f"{day}:{state}")
        for day, state in complete_days(date.today())
    ]
    waiting = None if requests else f"no landing day of the last {SENSOR_DAYS} days is complete ({COMPLETE_MARKER})"
    return dg.SensorResult(run_requests=requests, skip_reason=waiting)


def _without_step(event: dg.DagsterEvent) -> str:
    """What ended a run before any step began: its resources, or the launch of the run."""
    data = event.event_specific_data
    error = getattr(data, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    said = (error.message or "").strip() if error is not None else ""
    return said or event.message or "failed without a message"


@dg.run_failure_sensor(monitored_jobs=[daily_run], default_status=dg.DefaultSensorStatus.RUNNING)
def tell_of_failure(context: dg.RunFailureSensorContext) -> None:
    """Tell people, where a webhook or e-mail is configured, that a run failed or a gate blocked."""
    run = context.dagster_run
    if COMMAND_LINE_TAG in run.tags:
        return
    blocked = {
        event.step_key: event.asset_check_evaluation_data.description
        for event in (
            entry.dagster_event
            for entry in context.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        )
        if event is not None
        and not event.asset_check_evaluation_data.passed
        and event.asset_check_evaluation_data.blocking
    }
    steps = [
        ("", step_name(event.step_key or ""), blocked.get(event.step_key) or failure_message(event))
        for event in context.get_step_failure_events()
    ] or [("", run.job_name, _without_step(context.failure_event))]
    day = run.tags.get("dagster/partition")
    notice = Notice(date.fromisoformat(day) if day else None, run.run_id, problems_of(steps))
    for line in send(project().settings, notice):
        context.log.warning(line)


@dg.definitions
def automation() -> dg.Definitions:
    """The job and what starts it; every run in one process, asset by asset."""
    return dg.Definitions(
        jobs=[daily_run],
        schedules=[daily_schedule],
        sensors=[landing_day_complete, tell_of_failure],
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
        resources={"run_lock": run_lock},
    )
