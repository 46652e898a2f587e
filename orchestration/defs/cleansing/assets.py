"""Standardised records, edges and clusters; then the golden values of dbt. The linkage model is in `models`, ids in `identity`."""

from typing import TYPE_CHECKING

import dagster as dg

from orchestration.daily import FULL_TAG
from orchestration.defs.resources import PLATFORM_OWNER, RUN_LOCK, dbt_stage, project, stage_tag
from orchestration.linkage import update_clusters, update_edges
from orchestration.linkage.registry import current_model
from orchestration.standardise import standardise_records

if TYPE_CHECKING:
    import duckdb

INTEGRATED = "integration.int_customer_records"
RECORDS = "cleansing.standardised_records"
EDGES = "resolution.edges"
CLUSTERS = "resolution.clusters"
JUDGEMENTS = "resolution.judgements"


def made(con: "duckdb.DuckDBPyConnection", table: str, **more: str | int) -> dg.MaterializeResult:
    """What Dagster shows of a table that was made: its rows and columns, and whatever else is named."""
    columns = [dg.TableColumn(row[0], row[1]) for row in con.execute(f"describe {table}").fetchall()]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": int(con.execute(f"select count(*) from {table}").fetchall()[0][0]),
            "dagster/column_schema": dg.TableSchema(columns),
            "dagster/table_name": table,
            **more,
        }
    )


@dg.asset(
    key=["cleansing", "standardised_records"],
    deps=[["integration", "int_customer_records"]],
    group_name="cleansing",
    kinds={"python", "duckdb"},
    owners=[PLATFORM_OWNER],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
    description="One row per source record, its values standardised, placeholders and impossible values removed.",
)
def standardised_records() -> dg.MaterializeResult:
    """Standardise the integrated records."""
    with project().warehouse() as con:
        con.execute("create schema if not exists cleansing")
        standardise_records(con, INTEGRATED, RECORDS)
        return made(con, RECORDS)


@dg.asset(
    key=["resolution", "edges"],
    deps=[["cleansing", "standardised_records"], ["resolution", "linkage_model"]],
    group_name="cleansing",
    kinds={"splink", "duckdb"},
    owners=[PLATFORM_OWNER],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
    description="One row per pair of records that the model scored above its floor, with the levels that explain it.",
)
def edges(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Score new and changed records with the model in use (all records when `kindred run --force` asks for it)."""
    kindred = project()
    model = current_model(kindred.settings.models)
    if model is None:
        raise dg.Failure("There is no linkage model: materialise resolution/linkage_model first.")
    with kindred.warehouse() as con:
        con.execute("create schema if not exists resolution")
        update = update_edges(con, model, RECORDS, EDGES, full=context.run.tags.get(FULL_TAG) == "true")
        return made(
            con,
            EDGES,
            model=model.version,
            records_scored=update.scored,
            pairs_compared=update.compared,
            run="full" if update.full else "increment",
            why=update.reason or "state of the run before",
        )


@dg.asset(
    key=["resolution", "clusters"],
    deps=[["cleansing", "standardised_records"], ["resolution", "edges"], ["resolution", "judgements"]],
    group_name="cleansing",
    kinds={"python", "duckdb"},
    owners=[PLATFORM_OWNER],
    required_resource_keys=RUN_LOCK,
    op_tags=stage_tag("cleansing"),
    description="One row per record: the cluster that the edges and the judgements of people put it into.",
)
def clusters() -> dg.MaterializeResult:
    """Cluster the edges, with the judgements applied."""
    kindred = project()
    model = current_model(kindred.settings.models)
    if model is None:
        raise dg.Failure("There is no linkage model: materialise resolution/linkage_model first.")
    with kindred.warehouse() as con:
        update = update_clusters(con, model, RECORDS, EDGES, CLUSTERS, judgements=JUDGEMENTS)
        return made(con, CLUSTERS, records_clustered=update.clustered, run="full" if update.full else "increment")


@dg.definitions
def cleansing() -> dg.Definitions:
    """Standardising and resolving in Python, then survivorship: models/cleansing."""
    golden = dbt_stage("cleansing", "fqn:kindred.cleansing")
    return dg.Definitions(assets=[standardised_records, edges, clusters, golden])
