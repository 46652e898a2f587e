"""One gate: is this table, on this load date, fit for the next stage?

Belongs here: running a table's suite, holding back the rows that fail, judging the table, keeping the answers. Does not
belong here: what is expected (see `expectations.suites`), how Great Expectations is asked (see `validation`), and how
quarantine is written (see `quarantine`).
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.quality import history, quarantine, reconciliation
from orchestration.quality.anomalies import arrival_checks
from orchestration.quality.errors import GateError
from orchestration.quality.limits import bad_row_limit
from orchestration.quality.results import CheckResult, GateResult, RunContext
from orchestration.warehouse import connect

if TYPE_CHECKING:
    import duckdb

    from expectations.suites import GatedTable
    from orchestration.quality.reconciliation import Accounts
    from orchestration.quality.validation import Answer
    from orchestration.sources.contract import Table

VIEW = "gate_batch"
"""The temporary view of the rows under the gate."""
ROW_ID = "_row_id"
BAD_ROW_SHARE = "bad_row_share"
SHOWN_ROWS = 20


def run_gate(
    warehouse: Path,
    gate: "GatedTable",
    run: RunContext,
    contract_table: "Table | None" = None,
    accounts: "Accounts | None" = None,
) -> GateResult:
    """Open the working file, run one gate, and let go of the file.

    Rows that fail a row expectation of severity `block` are moved to quarantine; all answers are appended to
    `quality.check_results`. Both happen in one transaction. A second run for the same day finds nothing more to move.
    Then the sums are checked: of a raw table always, of another by `accounts`.

    Raises:
        GateError: the table does not exist, or its suite is not well formed.
        WarehouseLockedError: another process has the file open.
    """
    with connect(warehouse) as con:
        return run_gate_on(con, gate, run, contract_table, accounts)


def run_gates(
    warehouse: Path, gated: Iterable[tuple["GatedTable", "Table | None"]], run: RunContext
) -> Iterator[GateResult]:
    """Run several gates in one opening of the file, which on small tables costs as much as a gate: otherwise as `run_gate`.

    Args:
        gated: each gate with the contract's table, for the raw ones.

    The file is open until the last result has been taken.
    """
    with connect(warehouse) as con:
        for gate, contract_table in gated:
            yield run_gate_on(con, gate, run, contract_table)


def run_gate_on(
    con: "duckdb.DuckDBPyConnection",
    gate: "GatedTable",
    run: RunContext,
    contract_table: "Table | None" = None,
    accounts: "Accounts | None" = None,
) -> GateResult:
    """Run one gate over an open connection that is in no transaction; otherwise as `run_gate`."""
    from expectations.duckdb_engine import DuckDBExecutionEngine
    from expectations.suites import SuiteInput
    from orchestration.quality.validation import checked_suite, evaluate

    started = time.perf_counter()
    history.ensure_tables(con)
    quarantine.ensure_quarantine_table(con, gate.table)
    columns = _open_batch(con, gate, run)
    suite = checked_suite(gate.name, gate.build(SuiteInput(run.load_date, contract_table, gate)))
    rows = con.execute(f"select count(*) from {VIEW}").fetchall()[0][0]
    try:
        with DuckDBExecutionEngine(con) as engine:
            answers = evaluate(engine, VIEW, columns, rows, suite)
            with engine.transaction() as connection:
                batch = quarantine.Batch(gate.table, gate.schema, gate.key, VIEW, ROW_ID, tuple(columns))
                failures = quarantine.collect_failures(connection, batch, _failing(answers))
                samples = quarantine.sample_failures(con, batch, failures, SHOWN_ROWS)
                quarantine.hold_back(con, batch, failures, run, whole_table=gate.scope == "table")
                quarantine.let_follow(con, gate.table, gate.followers)
                bad, landed = _count_bad(con, gate, run)
                checks = [_check(gate, answer, rows) for answer in answers]
                checks.append(_bad_rows(gate, contract_table, bad, landed))
                checks += arrival_checks(con, gate, run, contract_table)
                checks += _sums(con, gate, run, accounts)
                history.append_results(con, run, checks)
                history.keep_validation(con, run, gate.name, json.dumps(_document(gate, run, answers, checks, rows)))
    finally:
        con.execute(f"drop view if exists {VIEW}")
    held = quarantine.shown_entries(con, gate.table, run.load_date if gate.scope == "load_date" else None, SHOWN_ROWS)
    return GateResult(
        table=gate.name,
        passed=not any(check.blocks for check in checks),
        checks=tuple(checks),
        quarantined=bad,
        failing_rows=tuple([*held, *samples][:SHOWN_ROWS]),
        seconds=time.perf_counter() - started,
    )


def _open_batch(con: "duckdb.DuckDBPyConnection", gate: "GatedTable", run: RunContext) -> list[str]:
    """Make the view of the rows under the gate; answer its columns without the row id."""
    table = f'"{gate.schema}"."{gate.table}"'
    exists = con.execute(
        "select count(*) from duckdb_tables() where schema_name = ? and table_name = ? and database_name = current_database()",
        [gate.schema, gate.table],
    ).fetchall()[0][0]
    if not exists:
        raise GateError(f"{gate.name} does not exist: the gate runs after the step that makes it. Run that step first.")
    where = f"where _load_date = date '{run.load_date.isoformat()}'" if gate.scope == "load_date" else ""
    con.execute(f"create or replace temp view {VIEW} as select *, rowid as {ROW_ID} from {table} {where}")
    return [row[0] for row in con.execute(f"describe {table}").fetchall()]


def _failing(answers: Sequence["Answer"]) -> list["Answer"]:
    return [answer for answer in answers if answer.condition is not None]


def _count_bad(con: "duckdb.DuckDBPyConnection", gate: "GatedTable", run: RunContext) -> tuple[int, int]:
    """Rows held back within the gate's scope, whoever put them there, and rows that there were before."""
    scoped = gate.scope == "load_date"
    bad = quarantine.count_rows(con, gate.table, run.load_date if scoped else None)
    left = con.execute(f"select count(*) from {VIEW}").fetchall()[0][0]
    return bad, bad + left


def _check(gate: "GatedTable", answer: "Answer", rows: int) -> CheckResult:
    meta = answer.meta
    if not answer.evaluated:
        message = f"could not be evaluated: {answer.error}. Expected: {meta['sentence']}"
    elif meta["level"] == "row":
        message = (
            meta["sentence"] if answer.success else f"{answer.unexpected:,} of {rows:,} rows fail: {meta['sentence']}"
        )
    else:
        message = f"{meta['sentence']}: found {_number(answer.observed)}, expected {meta['threshold']}"
    return CheckResult(
        stage=gate.stage,
        table_name=gate.name,
        expectation=meta["check"],
        column_name=meta.get("column"),
        level=meta["level"],
        severity=meta["severity"],
        success=answer.success,
        evaluated=answer.evaluated,
        observed=str(answer.unexpected) if meta["level"] == "row" and answer.evaluated else _number(answer.observed),
        threshold=meta["threshold"],
        element_count=rows,
        unexpected_count=answer.unexpected,
        message=message,
    )


def _bad_rows(gate: "GatedTable", contract_table: "Table | None", bad: int, landed: int) -> CheckResult:
    limit = bad_row_limit(contract_table)
    return CheckResult(
        stage=gate.stage,
        table_name=gate.name,
        expectation=BAD_ROW_SHARE,
        column_name=None,
        level="table",
        severity="block",
        success=not limit.exceeded(bad, landed),
        evaluated=True,
        observed=f"{bad} of {landed} rows",
        threshold=limit.describe(),
        element_count=landed,
        unexpected_count=bad,
        message=limit.message(bad, landed),
    )


def _sums(
    con: "duckdb.DuckDBPyConnection", gate: "GatedTable", run: RunContext, accounts: "Accounts | None"
) -> list[CheckResult]:
    """What reconciliation says, once the rows have their places."""
    if accounts is not None:
        return accounts(con, run)
    rows = reconciliation.reconcile_rows(con, gate.table, run) if gate.schema == "raw" else None
    return [rows] if rows is not None else []


def _number(value: float | int | None) -> str | None:
    if value is None:
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)


def _document(
    gate: "GatedTable", run: RunContext, answers: Sequence["Answer"], checks: Sequence[CheckResult], rows: int
) -> dict[str, object]:
    """The validation as Great Expectations words it, with counts and without values: what Data Docs are built from."""
    results = []
    for answer, check in zip(answers, checks, strict=False):
        config = answer.expectation.configuration.to_json_dict()
        result: dict[str, object] = {"element_count": rows}
        if check.level == "row" and check.evaluated:
            count = check.unexpected_count or 0
            result |= {"unexpected_count": count, "unexpected_percent": 100.0 * count / rows if rows else 0.0}
        elif check.evaluated:
            result["observed_value"] = answer.observed
        results.append(
            {
                "success": check.success,
                "expectation_config": config,
                "result": result,
                "exception_info": {
                    "raised_exception": not check.evaluated,
                    "exception_message": answer.error or "",
                    "exception_traceback": "",
                },
                "meta": {},
            }
        )
    held = sum(check.success for check in checks[: len(answers)])
    return {
        "success": held == len(answers),
        "suite_name": gate.name,
        "results": results,
        "statistics": {
            "evaluated_expectations": len(answers),
            "successful_expectations": held,
            "unsuccessful_expectations": len(answers) - held,
            "success_percent": 100.0 * held / len(answers) if answers else None,
        },
        "suite_parameters": {},
        "meta": {"run_id": {"run_name": run.run_id, "run_time": None}, "load_date": run.load_date.isoformat()},
    }
