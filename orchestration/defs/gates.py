"""The quality gates as asset checks: for each gated table, `rows` (were any held back?) and `table` (may the next stage
go on?). The second blocks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import dagster as dg

from expectations.suites import GatedTable, gates
from orchestration.daily import GATE_PREFIX
from orchestration.defs.resources import PLATFORM_OWNER, RUN_LOCK, project, run_context, stage_tag
from orchestration.quality import GateResult, RunContext
from orchestration.quality.data_docs import build_data_docs
from orchestration.quality.gate import run_gate
from orchestration.quality.history import days_loaded_by
from orchestration.quality.reconciliation import RECORDS, reconcile_versions
from orchestration.sources.contract import Table

STAGES = ("collection", "integration", "cleansing", "storage")


def gate_check(gate: GatedTable, contract_table: Table | None) -> dg.AssetChecksDefinition:
    """One gated table's checks, answered by one run of its suite."""
    key = dg.AssetKey([gate.schema, gate.table])
    accounts = reconcile_versions(project().contracts) if gate.table == RECORDS else None

    @dg.multi_asset_check(
        name=f"{GATE_PREFIX}{gate.schema}__{gate.table}",
        specs=[
            dg.AssetCheckSpec("rows", asset=key, description="No row had to be held back into quarantine."),
            dg.AssetCheckSpec("table", asset=key, blocking=True, description="The table may go to the next stage."),
        ],
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag(gate.stage),
    )
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        run = run_context(context)
        results = [
            run_gate(project().settings.warehouse, gate, replace(run, load_date=day), contract_table, accounts)
            for day in _days_to_gate(gate, run)
        ]
        yield _rows(key, results)
        yield _table(key, results)

    return check


def _days_to_gate(gate: GatedTable, run: RunContext) -> list[date]:
    """The run's day; for a raw table also the days that were loaded again because its contract changed."""
    if gate.scope == "table":
        return [run.load_date]
    with project().warehouse() as con:
        return days_loaded_by(con, gate.name, run)


def _rows(key: dg.AssetKey, results: Sequence[GateResult]) -> dg.AssetCheckResult:
    held_back = sum(result.quarantined for result in results)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="rows",
        passed=held_back == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows_in_quarantine": held_back, "failing_rows": _as_table(results)},
    )


def _table(key: dg.AssetKey, results: Sequence[GateResult]) -> dg.AssetCheckResult:
    summary = "\n".join(result.summary(with_values=False) for result in results)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name="table",
        passed=all(result.passed for result in results),
        severity=dg.AssetCheckSeverity.ERROR,
        description=summary,
        metadata={
            "summary": dg.MetadataValue.md(f"```\n{summary}\n```"),
            "checks": sum(len(result.checks) for result in results),
            "checks_failed": sum(len(result.failed_checks) for result in results),
            "seconds": round(sum(result.seconds for result in results), 3),
            "failing_rows": _as_table(results),
        },
    )


def _as_table(results: Sequence[GateResult]) -> dg.TableMetadataValue:
    """The rows by file and number. Their values stay in quarantine: Dagster's event log is no place for them."""
    columns = ("check", "column", "file", "row", "reason")
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({name: "" if row.get(name) is None else str(row[name]) for name in columns})
            for result in results
            for row in result.failing_rows
        ],
        schema=dg.TableSchema([dg.TableColumn(name) for name in columns]),
    )


def _build_docs() -> str:
    settings = project().settings
    return str(build_data_docs(settings.quality / "data_docs", settings.warehouse))


@dg.failure_hook(name="data_docs_after_failure")
def data_docs_after_failure(_: dg.HookContext) -> None:
    """A run that a gate stopped has Data Docs too: that is when people look."""
    _build_docs()


@dg.definitions
def quality_gates() -> dg.Definitions:
    """A gate for every registered table of the active sources' project, and the pages that show what they found."""
    kindred = project()
    last = [dg.AssetKey([gate.schema, gate.table]) for gate in gates("storage", kindred.contracts)]

    @dg.asset(
        key=["quality", "data_docs"],
        deps=last,
        group_name="storage",
        kinds={"html"},
        owners=[PLATFORM_OWNER],
        required_resource_keys=RUN_LOCK,
        op_tags=stage_tag("storage"),
        description="Great Expectations' Data Docs of each table's latest validation.",
    )
    def data_docs() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"path": dg.MetadataValue.path(_build_docs())})

    contract_tables = {table.raw_name: table for _, table in kindred.tables}
    return dg.Definitions(
        assets=[data_docs],
        asset_checks=[
            gate_check(gate, contract_tables.get(gate.table) if gate.schema == "raw" else None)
            for stage in STAGES
            for gate in gates(stage, kindred.contracts)  # type: ignore[arg-type]
        ],
    )
