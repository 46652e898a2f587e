"""The last step of the daily job: remember what was published, so that a day that has not changed need not run again."""

import dagster as dg

from orchestration.daily import JOB
from orchestration.defs.resources import PLATFORM_OWNER, RUN_LOCK, project, run_context, stage_tag
from orchestration.unchanged import keep_state

# Dagster takes the step of the highest priority among those that are ready: this one comes when nothing else is.
_LAST = {"dagster/priority": "-1000"}


def is_whole_run(context: dg.AssetExecutionContext) -> bool:
    """Whether this run is the whole daily job, and every other step of it has succeeded in this run.

    A run of some of its assets, or one that goes on where another failed, has not made all from one state of things.
    """
    if context.run.job_name != JOB:
        return False
    statistics = context.instance.get_run_step_stats(context.run.run_id)
    succeeded = {step.step_key for step in statistics if step.status is not None and step.status.value == "SUCCESS"}
    return {node.name for node in context.job_def.nodes} - {context.op_execution_context.op.name} <= succeeded


@dg.definitions
def published_state() -> dg.Definitions:
    """One asset behind all that is published."""

    @dg.asset(
        key=["quality", "published_state"],
        deps=[
            dg.AssetKey(["published", "analytics"]),
            dg.AssetKey(["published", "report"]),
            dg.AssetKey(["quality", "data_docs"]),
        ],
        group_name="storage",
        owners=[PLATFORM_OWNER],
        required_resource_keys=RUN_LOCK,
        op_tags={**stage_tag("storage"), **_LAST},
        description="What the published files follow from; `kindred run` skips a day for which it is as it was.",
    )
    def remembered(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        run = run_context(context)
        kept = is_whole_run(context) and keep_state(project(), run.load_date, run.run_id, context.resources.run_lock)
        return dg.MaterializeResult(metadata={"remembered": bool(kept)})

    return dg.Definitions(assets=[remembered])
