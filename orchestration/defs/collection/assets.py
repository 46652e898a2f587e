"""Raw tables as assets, one partition per load date, each fed by the files of its landing folder."""

from datetime import timedelta

import dagster as dg

from orchestration.defs.resources import RUN_LOCK, load_dates, project, run_context, stage_tag
from orchestration.encrypted_files import UnreadableEncryptionError
from orchestration.ledger.decisions import decisions_of
from orchestration.ledger.errors import LedgerError
from orchestration.ledger.store import Ledger
from orchestration.privacy.errors import PrivacyError
from orchestration.privacy.suppression import gatekeeper
from orchestration.sources.contract import Contract, Table
from orchestration.sources.errors import DeliveryError
from orchestration.sources.extract import ExtractError, UnreachableError, land_day
from orchestration.sources.landed import ChangedMeanwhileError
from orchestration.sources.load import load_day


def landing_spec(contract: Contract, table: Table) -> dg.AssetSpec:
    """The delivered files: nothing here makes them, but lineage begins with them."""
    return dg.AssetSpec(
        key=["landing", table.raw_name],
        group_name="collection",
        description=f"Files {table.file_glob} as {contract.title} delivers them. {table.description}",
        kinds={contract.server.format},
        owners=[contract.owner],
        partitions_def=load_dates,
    )


def freshness(contract: Contract) -> dg.FreshnessPolicy | None:
    """The contract's frequency: a warning half a day after the next load was due, a failure a whole day after."""
    if contract.frequency_days is None:
        return None
    due = timedelta(days=contract.frequency_days)
    return dg.FreshnessPolicy.time_window(fail_window=due + timedelta(days=1), warn_window=due + timedelta(hours=12))


def raw_asset(contract: Contract, table: Table) -> dg.AssetsDefinition:
    """The table's typed rows, loaded day by day."""

    @dg.asset(
        key=["raw", table.raw_name],
        deps=[dg.AssetKey(["landing", table.raw_name])],
        partitions_def=load_dates,
        group_name="collection",
        description=table.description,
        kinds={"duckdb", contract.server.format},
        owners=[contract.owner],
        freshness_policy=freshness(contract),
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag("collection"),
        tags={"source": contract.source, "delivery": contract.delivery},
        metadata={
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(column.name, column.type, column.description) for column in table.columns]
            ),
            "dagster/table_name": f"raw.{table.raw_name}",
            "contract": dg.MetadataValue.path(str(contract.path)),
        },
    )
    def raw(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        kindred, run = project(), run_context(context)
        try:
            # Before the warehouse is opened: a slow source must not hold it.
            landed = land_day(contract, run.load_date, kindred.settings.landing)
        except (ExtractError, UnreadableEncryptionError) as error:
            raise dg.Failure(str(error), allow_retries=isinstance(error, UnreachableError)) from error
        try:
            with kindred.warehouse() as con:
                decisions = decisions_of(Ledger.of(kindred.settings))
                keeper = gatekeeper(kindred)
                landing = kindred.settings.landing
                load = load_day(con, contract, table, run.load_date, landing, run.run_id, decisions, keeper)
        except (
            DeliveryError, PrivacyError, LedgerError, UnreadableEncryptionError, ChangedMeanwhileError,
        ) as error:  # fmt: skip
            raise dg.Failure(str(error), allow_retries=False) from error
        return dg.MaterializeResult(
            metadata={
                "dagster/partition_row_count": load.rows_loaded,
                "rows_landed": load.rows_landed,
                "rows_quarantined_by_loader": load.rows_quarantined,
                "files": list(load.files),
                "unchanged": load.unchanged,
                "extracted": landed.extracted,
                **({"extraction": landed.note} if landed.note else {}),
            }
        )

    return raw


@dg.definitions
def collection() -> dg.Definitions:
    """One asset per delivered table of the active contracts."""
    tables = project().tables
    return dg.Definitions(
        assets=[landing_spec(contract, table) for contract, table in tables]
        + [raw_asset(contract, table) for contract, table in tables]
    )
