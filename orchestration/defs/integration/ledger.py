"""What people entered into the ledger, as tables for dbt."""

import dagster as dg

from orchestration.defs.resources import PLATFORM_OWNER, RUN_LOCK, project, stage_tag
from orchestration.ledger.store import Ledger
from orchestration.privacy.ledger_tables import write_consent_events, write_restrictions
from orchestration.privacy.purposes import dbt_purposes

CONSENT = dg.AssetSpec(
    key=["integration", "ledger_consent_events"],
    group_name="integration",
    owners=[PLATFORM_OWNER],
    kinds={"python", "duckdb"},
    description="One row per consent given or withdrawn that was entered by hand (kindred consent set).",
)
RESTRICTIONS = dg.AssetSpec(
    key=["integration", "ledger_restrictions"],
    group_name="integration",
    owners=[PLATFORM_OWNER],
    kinds={"python", "duckdb"},
    description="One row per restriction, objection or release (kindred restrict).",
)


@dg.multi_asset(
    name="ledger_answers",
    specs=[CONSENT, RESTRICTIONS],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("integration"),
)
def ledger_answers() -> tuple[dg.MaterializeResult, dg.MaterializeResult]:
    """Read the ledger, write the two tables."""
    kindred = project()
    ledger = Ledger.of(kindred.settings)
    with kindred.warehouse() as con:
        consents = write_consent_events(con, ledger)
        restrictions = write_restrictions(con, ledger, dbt_purposes(kindred.contracts))
    return (
        dg.MaterializeResult(asset_key=CONSENT.key, metadata={"dagster/row_count": consents}),
        dg.MaterializeResult(asset_key=RESTRICTIONS.key, metadata={"dagster/row_count": restrictions}),
    )


@dg.definitions
def ledger_tables() -> dg.Definitions:
    """The ledger's answers."""
    return dg.Definitions(assets=[ledger_answers])
