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
from orchestration.ledger.audit import append
from orchestration.ledger.store import Ledger, current_actor
from orchestration.linkage.registry import current_model
from orchestration.privacy.encryption import load_encryption_key
from orchestration.privacy.secret import load_secret
from orchestration.publishing import (
    PublishedFile,
    build_report,
    column_privacy,
    public_tables,
    publish_analytics,
    publish_customers,
    publish_public,
    table_texts,
)
from orchestration.quality import RunContext

PUBLISHED_STAGES = ("storage", "analysis")


def _published_keys() -> list[dg.AssetKey]:
    """Every mart and analysis table of the dbt project."""
    nodes = project().transform.manifest["nodes"].values()
    return sorted(
        dg.AssetKey([node["schema"], node["alias"]])
        for node in nodes
        if node["resource_type"] == "model" and STAGE_OF_SCHEMA.get(node["schema"]) in PUBLISHED_STAGES
    )


def _published(file: PublishedFile, run: RunContext) -> dg.MaterializeResult:
    """Note in the audit chain what was given to people, and show it in the asset's metadata."""
    smallest = {found.table: found.k for found in file.anonymity}
    with Ledger.of(project().settings).writing() as connection:
        append(
            connection,
            actor=current_actor(),
            action="publish",
            subject=file.path.name,
            details={
                "run_id": run.run_id,
                "load_date": run.load_date.isoformat(),
                "sha256": file.sha256,
                "rows": sum(file.tables.values()),
            },
        )
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(str(file.path)),
            "sha256": file.sha256,
            "bytes": file.bytes,
            "rows": dict(file.tables),
            "smallest group (k)": smallest,
            "people withheld": {found.table: found.people_withheld for found in file.anonymity},
        }
    )


@dg.definitions
def storage() -> dg.Definitions:
    """Everything under models/marts, the published files and the report."""
    # Ids are taken over first: an id that was published must never be unknown to the next run.
    ready = [*_published_keys(), dg.AssetKey(["resolution", "accepted_ids"])]

    @dg.asset(
        key=["published", "analytics"],
        deps=ready,
        group_name="storage",
        kinds={"duckdb", "file"},
        owners=[PLATFORM_OWNER],
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag("storage"),
        description="analytics.duckdb: marts and analysis, pseudonymised, swapped in whole when every gate has passed.",
    )
    def analytics(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        kindred, run = project(), run_context(context)
        settings, manifest = kindred.settings, kindred.transform.target / "manifest.json"
        file = publish_analytics(
            settings.warehouse,
            settings.published,
            column_privacy(manifest),
            load_secret(settings),
            table_texts(manifest),
            run_id=run.run_id,
            load_date=run.load_date,
            token_period=settings.token_period,
            threads=settings.threads,
            memory_limit=settings.memory_limit,
        )
        return _published(file, run)

    @dg.asset(
        key=["published", "customers"],
        deps=ready,
        group_name="storage",
        kinds={"duckdb", "file"},
        owners=[PLATFORM_OWNER],
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag("storage"),
        description="customers.duckdb: marts and analysis in full, encrypted at rest, for those who work with customers by name.",
    )
    def customers(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        kindred, run = project(), run_context(context)
        settings = kindred.settings
        file = publish_customers(
            settings.warehouse,
            settings.customers_file,
            load_encryption_key(settings),
            table_texts(kindred.transform.target / "manifest.json"),
            run_id=run.run_id,
            load_date=run.load_date,
            threads=settings.threads,
            memory_limit=settings.memory_limit,
        )
        return _published(file, run)

    @dg.asset(
        key=["published", "public"],
        deps=ready,
        group_name="storage",
        kinds={"duckdb", "file"},
        owners=[PLATFORM_OWNER],
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag("storage"),
        description="public.duckdb: the tables marked public, published only when nobody in them stands alone (k-anonymity).",
    )
    def public(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        kindred, run = project(), run_context(context)
        settings, manifest = kindred.settings, kindred.transform.target / "manifest.json"
        file = publish_public(
            settings.warehouse,
            settings.published,
            public_tables(manifest),
            settings.k_anonymity,
            table_texts(manifest),
            load_date=run.load_date,
            threads=settings.threads,
            memory_limit=settings.memory_limit,
        )
        return _published(file, run) if file else dg.MaterializeResult(metadata={"path": "no table is marked public"})

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

    return dg.Definitions(assets=[dbt_stage("storage", "fqn:kindred.marts"), analytics, customers, public, report])
