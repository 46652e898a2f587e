"""What splits must not undo: refusals carried to every part of a customer that was split."""

import dagster as dg

from orchestration.defs.resources import PLATFORM_OWNER, RUN_LOCK, project, run_context, stage_tag
from orchestration.privacy.carrying import CARRIED_TABLE, carry_refusals


@dg.asset(
    key=CARRIED_TABLE.split("."),
    deps=[
        ["resolution", "memberships"],
        ["integration", "int_consent_events"],
        ["integration", "ledger_restrictions"],
    ],
    group_name="cleansing",
    kinds={"duckdb"},
    owners=[PLATFORM_OWNER],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
    description="One row per refusal that a split took from a record; it binds the record until the record grants anew.",
)
def carried_refusals(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Compare the new memberships with those of the marts as they stand."""
    with project().warehouse() as con:
        carried = carry_refusals(con, "resolution.memberships", run_context(context).load_date)
    return dg.MaterializeResult(metadata={"carried": carried})


@dg.definitions
def refusals() -> dg.Definitions:
    """The table of carried refusals."""
    return dg.Definitions(assets=[carried_refusals])
