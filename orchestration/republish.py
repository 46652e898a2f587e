"""Publishing anew what the warehouse holds, outside of a daily run: after an erasure.

Belongs here: asking Dagster for the assets that publish and document. Does not belong here: what they do (see `defs`).
"""

from orchestration.errors import KindredError
from orchestration.project import Project

JOB = "daily_run"
_DOCUMENTED = ("quality", "data_docs")


class RepublishError(KindredError):
    """The published files could not be built anew; the message says which part failed."""


def republish(project: Project) -> None:
    """Build every published file, the report and the Data Docs from the warehouse as it is.

    Does nothing when nothing was ever published. Raises RepublishError; the files that could not be built are as before.
    """
    day = _last_day(project)
    if day is None:
        return
    import dagster as dg

    project.prepare_dagster_home()
    project.transform.prepare()
    from orchestration.daily import failure_message
    from orchestration.definitions import defs

    job = defs().resolve_job_def(JOB)
    wanted = [key for key in job.asset_layer.executable_asset_keys if key.path[0] == "published"]
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance,
            partition_key=day,
            raise_on_error=False,
            run_config={"loggers": {"progress": {}}},
            asset_selection=[*wanted, dg.AssetKey(list(_DOCUMENTED))],
        )
    if not result.success:
        told = [failure_message(event) for event in result.all_events if event.is_step_failure]
        raise RepublishError(f"publishing anew failed: {'; '.join(told) or 'see the Dagster UI'}")


def run_again(project: Project) -> None:
    """Run the newest loaded day as a whole: everything is derived anew from what raw still holds.

    Raises RepublishError when a gate stops it; what is published is then as before.
    """
    from datetime import date

    from orchestration.daily import run_days

    day = _last_day(project)
    if day is None:
        return
    for outcome in run_days(project, [date.fromisoformat(day)], lambda _: None, force=True):
        if not outcome.published:
            told = "; ".join(f"{failure.step}: {failure.message}" for failure in outcome.failures)
            raise RepublishError(f"the run that derives everything anew failed: {told}")


def _last_day(project: Project) -> str | None:
    with project.warehouse() as con:
        rows = con.execute("select max(load_date)::varchar from quality.loads").fetchall()
    return rows[0][0] if rows else None
