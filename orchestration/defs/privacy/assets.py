"""Retention: every week what the contracts say has been kept long enough is removed, and certified."""

import dagster as dg

from orchestration.defs.resources import PLATFORM_OWNER, project
from orchestration.errors import KindredError
from orchestration.privacy.retention import find_expired, remove_expired
from orchestration.republish import run_again

RETENTION_KEY = dg.AssetKey(["privacy", "retention"])


# Without the run lock of the daily job's assets: removal takes the lock itself, step by step, and runs a day in between.
@dg.asset(
    key=RETENTION_KEY,
    group_name="storage",
    kinds={"python"},
    owners=[PLATFORM_OWNER],
    description=(
        "Removes landed rows that are older than their contract's retention, from landing and everything derived from it, "
        "by the machinery of erasure. `kindred retention --dry-run` shows what it would remove."
    ),
)
def retention() -> dg.MaterializeResult:
    """Remove what has expired as of the newest load date."""
    kindred = project()
    try:
        expired = find_expired(kindred)
        done = remove_expired(kindred, None, run_again) if expired else None
    except KindredError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        metadata={
            "rows_expired": sum(item.rows for item in expired),
            "tables": {item.table: item.rows for item in expired},
            **({"certificate": dg.MetadataValue.path(str(done.certificate))} if done else {}),
        }
    )


retention_job = dg.define_asset_job(
    "retention",
    selection=dg.AssetSelection.keys(RETENTION_KEY),
    executor_def=dg.in_process_executor,
    description="Remove what has been kept long enough.",
)


@dg.schedule(job=retention_job, cron_schedule="0 3 * * 0", execution_timezone="UTC")
def weekly_retention(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every Sunday at three in the morning, when no day is run."""
    day = context.scheduled_execution_time.date().isoformat()
    return dg.RunRequest(run_key=f"retention-{day}")


@dg.definitions
def privacy() -> dg.Definitions:
    """The asset, its job and its schedule."""
    return dg.Definitions(assets=[retention], jobs=[retention_job], schedules=[weekly_retention])
