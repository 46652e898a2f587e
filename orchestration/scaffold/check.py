"""`kindred contract check`: every contract against the standard, against Kindred's rules, and against what has landed.

Belongs here: finding what is wrong and where. Does not belong here: the rules of a contract (`sources.contract`), the
loader that is tried (`sources.load`), and how findings look (`show`).
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import duckdb
import yaml

from orchestration.config import Settings
from orchestration.encrypted_files import is_encrypted
from orchestration.errors import KindredError
from orchestration.project import Project
from orchestration.quality.limits import bad_row_limit
from orchestration.sources.compressed import matches
from orchestration.sources.contract import CONTRACT_SUFFIX, Contract, ContractError, Table, load_contract
from orchestration.sources.deliveries import delivered_files, landed_days
from orchestration.sources.landed import open_landed, workplace, write_whole
from orchestration.sources.load import load_day
from orchestration.sources.names import literal

Level = Literal["error", "warning"]

# What is read of a landed file: enough to see its columns and types, little enough for a check between two edits.
_SAMPLED_BYTES = 16 << 20
_SAMPLED_ROWS = 50_000
# Messages of the standard's schema quote the value at fault; a whole section would bury the sentence.
_LONGEST_MESSAGE = 300


@dataclass(frozen=True)
class Finding:
    """Something wrong with a contract: where in its file (or which landed file), and what."""

    path: Path
    where: str
    level: Level
    message: str


@dataclass(frozen=True)
class CheckReport:
    """All contracts that were looked at, with what was found."""

    paths: tuple[Path, ...]
    findings: tuple[Finding, ...]
    files: int
    rows: int

    @property
    def ok(self) -> bool:
        """No error was found; warnings may be."""
        return not any(finding.level == "error" for finding in self.findings)

    def by_contract(self) -> Iterator[tuple[Path, tuple[Finding, ...]]]:
        """Each contract with its findings."""
        for path in self.paths:
            yield path, tuple(finding for finding in self.findings if finding.path == path)

    def summary(self) -> str:
        """One sentence on all of it."""
        errors = sum(finding.level == "error" for finding in self.findings)
        warnings = len(self.findings) - errors
        return (
            f"{len(self.paths)} contracts, {self.files} landed files ({self.rows:,} rows sampled): "
            f"{errors} errors, {warnings} warnings"
        )


def check_contracts(settings: Settings) -> CheckReport:
    """Check every contract of the folder. Reads landed files, writes nothing.

    Raises ContractError when the folder holds no contract.
    """
    Project(settings)  # Tells of the landing folder's key.
    paths = sorted(settings.contracts.glob(f"*{CONTRACT_SUFFIX}"))
    if not paths:
        raise ContractError(f"no data contract (*{CONTRACT_SUFFIX}) in {settings.contracts}")
    findings: list[Finding] = []
    seen_files = rows = 0
    for path in paths:
        contract, wrong = _against_rules(path)
        findings += wrong
        if contract is None:
            continue
        findings += _against_models(contract, settings.dbt_project)
        landed, count, sampled = _against_landing(contract, settings.landing)
        findings += landed
        seen_files += count
        rows += sampled
    return CheckReport(tuple(paths), tuple(findings), seen_files, rows)


def _against_rules(path: Path) -> tuple[Contract | None, list[Finding]]:
    """The contract when it can be used, and what the standard's schema and Kindred's own rules say."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, [Finding(path, "file", "error", f"not valid YAML: {error}")]
    findings = list(_against_standard(path, document))
    try:
        return load_contract(path), findings
    except ContractError as error:
        where, _, message = str(error).removeprefix(f"{path.name}: ").partition(": ")
        return None, [*findings, Finding(path, where if message else "contract", "error", message or where)]


def _against_standard(path: Path, document: Any) -> Iterator[Finding]:
    validator = _validator()
    for error in sorted(validator.iter_errors(document), key=lambda e: ([str(s) for s in e.absolute_path], e.message)):
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
        message = error.message
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[: _LONGEST_MESSAGE // 2]} ... {message[-_LONGEST_MESSAGE // 2 :]}"
        yield Finding(path, where.lstrip(".") or "contract", "error", f"against the standard: {message}")


@cache
def _validator() -> Any:
    from jsonschema import Draft201909Validator

    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8"))
    return Draft201909Validator(schema)


def _against_models(contract: Contract, dbt_project: Path) -> Iterator[Finding]:
    """What a table feeds has a staging model."""
    folder = dbt_project / "models" / "staging" / contract.source
    for i, table in enumerate(contract.tables):
        for role in table.feeds:
            model = f"stg_{contract.source}__{role}.sql"
            if not (folder / model).exists():
                yield Finding(
                    contract.path,
                    f"schema[{i}] ({table.name}).feeds",
                    "error",
                    f"{role} is fed by the model {model}, which is not in {folder}: write it, or take the role away",
                )


def _against_landing(contract: Contract, landing: Path) -> tuple[list[Finding], int, int]:
    """File patterns on every landed day; columns and types on the newest. Returns findings, files and rows looked at."""
    days = landed_days(landing, {contract.source})
    if not days:
        return [], 0, 0
    findings = [finding for day in days for finding in _patterns(contract, landing, day)]
    count = rows = 0
    for table in contract.tables:
        more, looked_at, sampled = _try_out(contract, table, landing, days[-1])
        findings += more
        count += looked_at
        rows += sampled
    return findings, count, rows


def _patterns(contract: Contract, landing: Path, day: date) -> Iterator[Finding]:
    folder = landing / contract.source / day.isoformat()
    taken: Counter[str] = Counter(
        path.name for table in contract.tables for path in folder.iterdir() if matches(path.name, table.file_glob)
    )
    globs = ", ".join(table.file_glob for table in contract.tables)
    for path in sorted(folder.iterdir()):
        if path.name[0] in "._" or not path.is_file():
            continue
        where = f"landing {contract.source}/{day}/{path.name}"
        if taken[path.name] == 0:
            yield Finding(contract.path, where, "warning", f"no table takes this file; the patterns are {globs}")
        elif taken[path.name] > 1:
            yield Finding(contract.path, where, "error", f"several tables take this file; the patterns are {globs}")


def _try_out(contract: Contract, table: Table, landing: Path, day: date) -> tuple[list[Finding], int, int]:
    """Load the beginning of each of the day's files into a warehouse in memory."""
    findings: list[Finding] = []
    try:
        delivered = delivered_files(contract, table, day, landing)
    except KindredError as error:
        level: Level = "error" if contract.daily else "warning"
        return [Finding(contract.path, f"landing {contract.source}/{day}", level, str(error))], 0, 0
    rows = 0
    for path in delivered:
        where = f"landing {path.relative_to(landing).as_posix()}"
        with workplace(path) as folder, duckdb.connect() as con:
            con.execute("set timezone = 'UTC'")
            target = folder / path.relative_to(landing)
            target.parent.mkdir(parents=True)
            cut = _beginning(con, contract, path, target)
            try:
                result = load_day(con, contract, table, day, folder, "check")
            except KindredError as error:
                findings.append(Finding(contract.path, where, "error", str(error)))
                continue
            rows += result.rows_landed
            findings += _quarantined(con, contract, table, where, result.rows_landed, cut=cut)
    return findings, len(delivered), rows


def _quarantined(
    con: duckdb.DuckDBPyConnection, contract: Contract, table: Table, where: str, landed: int, *, cut: bool
) -> Iterator[Finding]:
    # The last line of a beginning may have been cut off in the middle of a quoted text.
    last = landed + 1 if cut else 0
    held = con.execute(
        f"""
        select check_name, count(*), min(row_number), any_value(reason)
        from quarantine.{table.raw_name}
        where not (check_name = 'malformed_line' and row_number >= ? and ? > 0)
        group by check_name
        order by check_name
        """,
        [last, last],
    ).fetchall()
    limit = bad_row_limit(table)
    for name, count, first, reason in held:
        level: Level = "error" if limit.exceeded(count, landed) else "warning"
        text = str(reason).splitlines()[0]
        column = name.partition(":")[2]
        place = f"{where}, column {column}" if column else where
        message = f"{text} in {count:,} of {landed:,} rows, first in row {first}"
        if level == "error":
            message += f"; the gate would stop the table ({limit.describe()})"
        yield Finding(contract.path, place, level, message)


def _beginning(con: duckdb.DuckDBPyConnection, contract: Contract, path: Path, target: Path) -> bool:
    """Put the file's beginning at `target`, or a link to the whole of it when it is small. Returns whether it was cut."""
    is_text = path.suffix.lower() in (".csv", ".jsonl", ".ndjson", ".json", ".tsv", ".txt")
    if path.stat().st_size <= _SAMPLED_BYTES or not (is_text or contract.server.format == "parquet"):
        target.symlink_to(path.resolve())
        return False
    if is_text:
        with open_landed(path) as file:
            head = file.read(_SAMPLED_BYTES)
        write_whole(target, head[: head.rfind(b"\n") + 1])
        return True
    if is_encrypted(path):
        target.symlink_to(path.resolve())  # DuckDB would write what it read in clear.
        return False
    try:
        con.execute(
            f"copy (select * from read_parquet({literal(str(path))}) limit {_SAMPLED_ROWS}) to {literal(str(target))} "
            "(format parquet)"
        )
    except duckdb.Error:
        target.symlink_to(path.resolve())  # The loader says what is wrong with it.
    return False
