"""What the asset bodies share: the project of this data folder, load-date partitions, and dbt as Dagster events."""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets
from dagster_dbt.asset_utils import get_subset_selection_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from orchestration.config import Settings, load_settings
from orchestration.daily import STAGE_TAG
from orchestration.project import Project
from orchestration.quality import RunContext
from orchestration.unchanged import Means, means

FIRST_LOAD_DATE = "2020-01-01"
# The end offset makes today's delivery a partition before the day is over.
load_dates = dg.DailyPartitionsDefinition(start_date=FIRST_LOAD_DATE, end_offset=1)

# The stage (asset group) that owns each schema, and each folder of dbt's models and seeds.
STAGE_OF_SCHEMA = {
    "raw": "collection",
    "staging": "integration",
    "integration": "integration",
    "cleansing": "cleansing",
    "resolution": "cleansing",
    "marts": "storage",
    "analysis": "analysis",
}
PLATFORM_OWNER = "team:data-platform"
RUN_LOCK = {"run_lock"}


def stage_tag(stage: str) -> dict[str, str]:
    """Marks a step with its stage, for the account that a run gives per stage."""
    return {STAGE_TAG: stage}


@cache
def _project(settings: Settings) -> Project:
    return Project(settings)


@cache
def _settings(environment: tuple[tuple[str, str], ...]) -> Settings:
    """Settings are read again only when the environment changed: each step of a run asks for them."""
    return load_settings()


def project() -> Project:
    """The project that the environment describes, one object per setting."""
    ours = tuple(sorted(item for item in os.environ.items() if item[0].upper().startswith("KINDRED_")))
    return _project(_settings(ours))


@dg.resource(description="Held for the whole run: the warehouse has one writer.")
def run_lock(context: dg.InitResourceContext) -> Iterator[Means | None]:
    """The exclusive use of the data folder. Every asset that touches the warehouse requires it.

    Yields what decided, at the run's start, what the run makes.
    """
    with project().exclusive():
        yield means(project())


def run_context(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> RunContext:
    """The run's id and the load date it runs for."""
    run = context.run
    key = run.tags.get("dagster/partition")
    if key is None:
        raise dg.Failure("This asset runs for a load date: choose a partition, or use the job daily_run.")
    return RunContext(run_id=run.run_id, load_date=load_dates.time_window_for_partition_key(key).start.date())


class KindredTranslator(DagsterDbtTranslator):
    """An asset's key is its schema and table; its group is the stage that owns the schema."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["alias"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        folder = dbt_resource_props["fqn"][1] if dbt_resource_props["resource_type"] == "seed" else None
        return STAGE_OF_SCHEMA.get(folder or dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return [dbt_resource_props.get("config", {}).get("meta", {}).get("owner", PLATFORM_OWNER)]


def dbt_stage(name: str, select: str) -> dg.AssetsDefinition:
    """The dbt models of a stage as assets, built by one dbt invocation."""
    transform = project().transform
    manifest = transform.manifest
    translator = KindredTranslator()

    @dbt_assets(
        manifest=manifest,
        select=select,
        name=name,
        dagster_dbt_translator=translator,
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag(name),
    )
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        selection, _ = get_subset_selection_for_context(
            context=context,
            manifest=manifest,
            select=select,
            exclude=None,
            selector=None,
            dagster_dbt_translator=translator,
            current_dbt_indirect_selection_env=None,
        )
        # Unit tests try the models' logic on made-up rows: they belong to the test-suite, not to every day. The manifest
        # was written when the project was parsed; four times a day again costs a second.
        arguments = [*selection, "--exclude-resource-type", "unit_test", "--no-write-json"]
        for event in transform.run("build", arguments):
            message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
            if event["info"]["level"] in ("warn", "error"):
                context.log.warning(str(message))
            yield from message.to_default_asset_events(manifest, translator, context, transform.target)

    return models
