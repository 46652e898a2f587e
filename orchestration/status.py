"""`kindred status`: the last runs and what the gates said of them.

Belongs here: reading Dagster's run records and `quality.check_results`. Does not belong here: layout.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestration.daily import JOB
from orchestration.project import Project
from orchestration.warehouse import WarehouseLockedError

if TYPE_CHECKING:
    from dagster import RunRecord


@dataclass(frozen=True)
class RunStatus:
    """One run of the daily job. Times are UTC; counts are None while the warehouse is in use."""

    run_id: str
    load_date: str
    status: str
    started: datetime | None
    seconds: float | None
    checks_passed: int | None = None
    checks_failed: int | None = None


def last_runs(project: Project, limit: int) -> list[RunStatus]:
    """The newest runs first, whoever started them: the command line, the schedule, the UI."""
    import dagster as dg

    project.prepare_dagster_home()
    with dg.DagsterInstance.get() as instance:
        records = instance.get_run_records(dg.RunsFilter(job_name=JOB), limit=limit)
    checks = _checks(project, [record.dagster_run.run_id for record in records])
    return [_status(record, checks) for record in records]


def _status(record: "RunRecord", checks: dict[str, tuple[int, int]]) -> RunStatus:
    run = record.dagster_run
    passed, failed = checks.get(run.run_id, (None, None))
    return RunStatus(
        run_id=run.run_id,
        load_date=run.tags.get("dagster/partition", ""),
        status=run.status.value.lower(),
        started=datetime.fromtimestamp(record.start_time, UTC) if record.start_time else None,
        seconds=record.end_time - record.start_time if record.end_time and record.start_time else None,
        checks_passed=passed,
        checks_failed=failed,
    )


def _checks(project: Project, run_ids: list[str]) -> dict[str, tuple[int, int]]:
    if not run_ids or not project.settings.warehouse.exists():
        return {}
    try:
        with project.warehouse() as con:
            rows = con.execute(
                """
                select run_id, count(*) filter (where success), count(*) filter (where not success)
                from quality.check_results
                where list_contains(?, run_id)
                group by run_id
                """,
                [run_ids],
            ).fetchall()
    except WarehouseLockedError:
        return {}
    return {run_id: (int(passed), int(failed)) for run_id, passed, failed in rows}
