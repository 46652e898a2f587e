"""The marts of dbt, and what is published from them when every gate has passed."""

import dagster as dg

from orchestration.defs.resources import (
    PLATFORM_OWNER,
    RUN_LOCK,
    STAGE_OF_SCHEMA,
    dbt_stage,
    project,
    run_context,
    stage_tag,
)
from orchestration.linkage.registry import current_model
from orchestration.privacy.secret import load_secret
from orchestration.publishing import build_report, column_privacy, publish_analytics, table_texts

PUBLISHED_STAGES = ("storage", "analysis")


def _published_keys() -> list[dg.AssetKey]:
    """Every mart and analysis table of the dbt project."""
    nodes = project().transform.manifest["nodes"].values()
    return sorted(
        dg.AssetKey([node["schema"], node["alias"]])
        for node in nodes
        if node["resource_type"] == "model" and STAGE_OF_SCHEMA.get(node["schema"]) in PUBLISHED_STAGES
    )


@dg.definitions
def storage() -> dg.Definitions:
    """Everything under models/marts, the published file and the report."""
    tables = _published_keys()

    @dg.asset(
        key=["published", "analytics"],
        # Ids are taken over first: an id that was published must never be unknown to the next run.
        deps=[*tables, dg.AssetKey(["resolution", "accepted_ids"])],
        group_name="storage",
        kinds={"duckdb", "file"},
        owners=[PLATFORM_OWNER],
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag("storage"),
        description="analytics.duckdb: marts and analysis, pseudonymised, swapped in whole when every gate has passed.",
    )
    def analytics(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        kindred, run = project(), run_context(context)
        manifest = kindred.transform.target / "manifest.json"
        file = publish_analytics(
            kindred.settings.warehouse,
            kindred.settings.published,
            column_privacy(manifest),
            load_secret(kindred.settings),
            table_texts(manifest),
            run_id=run.run_id,
            load_date=run.load_date,
            threads=kindred.settings.threads,
            memory_limit=kindred.settings.memory_limit,
        )
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(file.path)),
                "sha256": file.sha256,
                "bytes": file.bytes,
                "rows": dict(file.tables),
            }
        )

    @dg.asset(
        key=["published", "report"],
        deps=[analytics, dg.AssetKey(["resolution", "edges"])],
        group_name="analysis",
        kinds={"html"},
        owners=[PLATFORM_OWNER],
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag("analysis"),
        description="report.html: one page on customers, overlap of sources, quality, segments and matching.",
    )
    def report() -> dg.MaterializeResult:
        settings = project().settings
        model = current_model(settings.models)
        path = build_report(
            settings.warehouse,
            settings.published / "report.html",
            match_threshold=model.threshold_weight if model else None,
        )
        return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(str(path))})

    return dg.Definitions(assets=[dbt_stage("storage", "fqn:kindred.marts"), analytics, report])
