"""Adding a source from a file, and taking it away: everything or nothing.

Belongs here: which files are written where, in which order, and the way back. Does not belong here: what is written.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import yaml

from orchestration.config import Settings
from orchestration.project import Project
from orchestration.scaffold.contract_file import GENERATED_BY, contract_yaml, landed_name
from orchestration.scaffold.errors import ScaffoldError
from orchestration.scaffold.files import open_file, require_file
from orchestration.scaffold.plan import SourcePlan, Wishes, plan_source
from orchestration.scaffold.profile import profile_file
from orchestration.scaffold.staging import staging_files
from orchestration.sources.contract import CONTRACT_SUFFIX, Contract, load_contract
from orchestration.sources.deliveries import landed_days
from orchestration.sources.landed import content_hash, copy_in, workplace
from orchestration.sources.load import load_day

SET_ASIDE = "set_aside"
SUCCESS = "_SUCCESS"
_NAME = re.compile(r"^[a-z][a-z0-9_]{0,40}$")
_MAX_SHOWN = 5
# What `quality` holds of a raw table by its name, besides the results of checks, which stay as history. What people decided
# stays in the ledger.
_STATE_OF_A_TABLE = (
    "loads", "profiles", "schema_history", "reconciliation", "row_decisions", "discarded_rows", "suppressed_rows",
    "validations",
)  # fmt: skip


@dataclass(frozen=True)
class Added:
    """What `source add` made."""

    plan: SourcePlan
    contract: Path
    staging: Path
    landed: Path
    day: date
    rows_loaded: int
    rows_quarantined: int
    held: tuple[str, ...]
    """Why rows would be quarantined: the reason, how many, and the first of them."""
    set_aside: tuple[str, ...]
    """Sources of the sample whose contracts were set aside, so that a run owes nothing to them."""
    owed: tuple[str, ...]
    """Active sources that owe a delivery for the day and have not landed it: they would stop its run."""


@dataclass(frozen=True)
class Removal:
    """What `source remove` takes away, or took away."""

    source: str
    contract: Path
    staging: Path
    landing: Path
    landed_days: tuple[date, ...]
    restored: tuple[str, ...]
    """Sources of the sample whose contracts come back, because no other is left."""


def add_source(
    settings: Settings,
    file: Path,
    source: str,
    day: date,
    *,
    wishes: Wishes | None = None,
    only: bool | None = None,
) -> Added:
    """Make a source of a file: contract, staging models, landed file. Proves first that the file loads by the contract.

    `only` True sets the sample's contracts aside, False leaves them, None sets them aside when they are the only others
    and would stop the day's run.

    Raises:
        ScaffoldError: the name is taken or no name, the file cannot be read or used; nothing was written.
    """
    contract_path = settings.contracts / f"{source}{CONTRACT_SUFFIX}"
    staging = settings.dbt_project / "models" / "staging" / source
    _refuse_name(settings, source, contract_path, staging)
    require_file(file)
    wishes = wishes or Wishes()
    _refuse_people(settings, wishes.people)
    Project(settings)  # Tells of the landing folder's key: the file may lie there, and will.
    with workplace(file) as workspace:
        with duckdb.connect() as con:
            con.execute("set timezone = 'UTC'")
            opened = open_file(con, file, workspace)
            plan = plan_source(con, profile_file(con, opened), source, day, wishes)
        target = settings.landing / source / day.isoformat() / landed_name(plan)
        _refuse_landed(target, opened.path)
        text = contract_yaml(plan)
        rehearsal = _rehearse(text, plan, opened.path, day, workspace)
        aside, owed = _sample_in_the_way(settings, day, only, wishes.people)
        _write_all(
            [
                lambda undo: _land(opened.path, target, undo),
                lambda undo: _write_folder(staging, staging_files(plan), undo),
                lambda undo: _set_aside(settings.contracts, aside, undo),
                lambda undo: _write_file(contract_path, text, undo),
            ]
        )
    return Added(plan, contract_path, staging, target, day, *rehearsal, aside, owed)


def plan_removal(settings: Settings, source: str) -> Removal:
    """What removing the source takes away.

    Raises ScaffoldError when there is no such source, or it was not made by `source add`.
    """
    path = settings.contracts / f"{source}{CONTRACT_SUFFIX}"
    if not path.exists():
        known = ", ".join(_generated(settings.contracts)) or "none"
        raise ScaffoldError(f"there is no contract {path.name} in {settings.contracts}; sources made here: {known}")
    if not _is_generated(path):
        raise ScaffoldError(
            f"{source} was not made by `{GENERATED_BY}`, so that its models may be part of the project. To make it inactive, "
            f"move {path.name} out of {settings.contracts}."
        )
    others = [other for other in settings.contracts.glob(f"*{CONTRACT_SUFFIX}") if other != path]
    leaning = [c.source for c in map(load_contract, sorted(others)) if source in _leans_on(c)]
    if leaning:
        raise ScaffoldError(
            f"{', '.join(leaning)} has rows of the people of {source} (recordsOf in its contract): take that away first"
        )
    aside = settings.contracts / SET_ASIDE
    restored = [] if others else sorted(p.name.removesuffix(CONTRACT_SUFFIX) for p in aside.glob(f"*{CONTRACT_SUFFIX}"))
    return Removal(
        source=source,
        contract=path,
        staging=settings.dbt_project / "models" / "staging" / source,
        landing=settings.landing / source,
        landed_days=tuple(landed_days(settings.landing, {source})),
        restored=tuple(restored),
    )


def remove_source(settings: Settings, removal: Removal, *, with_landing: bool = False) -> None:
    """Take the source away: its raw tables, contract and staging models, and with `with_landing` its landed files.

    Raises WarehouseLockedError when a run is going on; nothing was removed then.
    """
    _drop_tables(settings, load_contract(removal.contract))
    removal.contract.unlink()
    if removal.staging.is_dir():
        shutil.rmtree(removal.staging)
    if with_landing and removal.landing.is_dir():
        shutil.rmtree(removal.landing)
    aside = settings.contracts / SET_ASIDE
    for source in removal.restored:
        (aside / f"{source}{CONTRACT_SUFFIX}").rename(settings.contracts / f"{source}{CONTRACT_SUFFIX}")
    if removal.restored and not any(aside.iterdir()):
        aside.rmdir()


# --- Refusals ------------------------------------------------------------------------------------------------------


def _refuse_name(settings: Settings, source: str, contract: Path, staging: Path) -> None:
    if not _NAME.match(source) or "__" in source:
        raise ScaffoldError(
            f"--name {source}: lower case letters, digits and single _, beginning with a letter, at most 41 of them"
        )
    for path in (contract, contract.parent / SET_ASIDE / contract.name, staging):
        if path.exists():
            raise ScaffoldError(
                f"the source {source!r} exists already ({path}). Choose another --name, or take it away first: "
                f"kindred source remove {source}"
            )
    if not settings.dbt_project.is_dir():
        raise ScaffoldError(f"{settings.dbt_project} is missing: the staging models have nowhere to go")


def _refuse_people(settings: Settings, people: str | None) -> None:
    """Ids of another source's people need that source, and records that it feeds."""
    if people is None:
        return
    found = [load_contract(path) for path in sorted(settings.contracts.glob(f"*{CONTRACT_SUFFIX}"))]
    feeding = [c.source for c in found if any("customer_records" in table.feeds for table in c.tables)]
    if people not in feeding:
        raise ScaffoldError(
            f"--people {people}: no active source of that name has people; known are {', '.join(feeding) or 'none'}. Add the "
            "file with the people first"
        )


def _refuse_landed(target: Path, file: Path) -> None:
    others = sorted(p.name for p in target.parent.glob("*") if p.name[0] not in "._" and p.name != target.name)
    if others:
        shown = ", ".join(others[:_MAX_SHOWN])
        raise ScaffoldError(
            f"{target.parent} holds other files already ({shown}): move them away, or choose another --date"
        )
    if target.exists() and not target.samefile(file) and content_hash(target) != content_hash(file):
        raise ScaffoldError(f"{target} has landed already and differs: move it away, or choose another --date")


def _rehearse(text: str, plan: SourcePlan, file: Path, day: date, workspace: Path) -> tuple[int, int, tuple[str, ...]]:
    """Load the file by the new contract into a warehouse in memory. Returns rows loaded and quarantined, and why."""
    contracts, landing = workspace / "contracts", workspace / "landing"
    contracts.mkdir()
    path = contracts / f"{plan.source}{CONTRACT_SUFFIX}"
    path.write_text(text, encoding="utf-8")
    contract = load_contract(path)
    folder = landing / plan.source / day.isoformat()
    folder.mkdir(parents=True)
    (folder / landed_name(plan)).symlink_to(file.resolve())
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        result = load_day(con, contract, contract.tables[0], day, landing, "rehearsal")
        reasons = con.execute(
            f"""
            select split_part(reason, chr(10), 1) as said, count(*) as n, min(row_number)
            from quarantine.{contract.tables[0].raw_name}
            group by said
            order by n desc, said
            """
        ).fetchall()
    held = tuple(f"{n:,} rows would be held back: {said}; the first is row {row}" for said, n, row in reasons)
    if result.rows_loaded == 0 or plan.profile.rows == 0:
        name = plan.profile.file.original.name
        raise ScaffoldError(f"{name}: no row of it can be read. {'. '.join(held)}. Mend the file and add it again")
    return result.rows_loaded, result.rows_quarantined, held


def _sample_in_the_way(
    settings: Settings, day: date, only: bool | None, people: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sample's sources to set aside, and the sources that then still owe a delivery for the day."""
    contracts = [load_contract(path) for path in sorted(settings.contracts.glob(f"*{CONTRACT_SUFFIX}"))]
    sample = _sample_sources()
    owed = [c.source for c in contracts if c.daily and day not in landed_days(settings.landing, {c.source})]
    if only and people in sample:
        raise ScaffoldError(
            f"--only sets {people} aside, of which --people takes the people: leave one of the two away"
        )
    all_sample = bool(contracts) and {c.source for c in contracts} <= sample and people is None
    aside = (
        [c.source for c in contracts if c.source in sample] if only or (only is None and all_sample and owed) else []
    )
    return tuple(aside), tuple(source for source in owed if source not in aside)


def _sample_sources() -> frozenset[str]:
    """Names of the sample company's sources: each has a channel module."""
    channels = Path(__file__).resolve().parent.parent / "sample" / "channels"
    return frozenset(path.stem for path in channels.glob("*.py") if path.stem not in ("__init__", "base"))


def _leans_on(contract: Contract) -> set[str | None]:
    """The sources of whose people the contract's tables have rows."""
    return {column.records_of for table in contract.tables for column in table.columns}


def _is_generated(path: Path) -> bool:
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    properties = document.get("customProperties") or []
    return any(item.get("property") == "generatedBy" and item.get("value") == GENERATED_BY for item in properties)


def _generated(contracts: Path) -> Iterator[str]:
    for path in sorted(contracts.glob(f"*{CONTRACT_SUFFIX}")):
        if _is_generated(path):
            yield path.name.removesuffix(CONTRACT_SUFFIX)


# --- Writing, with a way back --------------------------------------------------------------------------------------

Undo = list[Callable[[], object]]


def _write_all(steps: Sequence[Callable[[Undo], None]]) -> None:
    """Take the steps in order; when one fails, undo those before it, last first."""
    undo: Undo = []
    try:
        for step in steps:
            step(undo)
    except BaseException:
        for back in reversed(undo):
            back()
        raise


def _write_file(path: Path, text: str, undo: Undo) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _beside(path) as new:
        new.write_text(text, encoding="utf-8")
        new.rename(path)
    undo.append(lambda: path.unlink(missing_ok=True))


def _write_folder(path: Path, files: dict[str, str], undo: Undo) -> None:
    # Beside the models, not among them: dbt may be reading them just now.
    new = Path(tempfile.mkdtemp(prefix=".adding-", dir=path.parents[2]))
    try:
        new.chmod(0o755)
        for name, text in files.items():
            (new / name).write_text(text, encoding="utf-8")
        path.parent.mkdir(parents=True, exist_ok=True)
        new.rename(path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    undo.append(lambda: shutil.rmtree(path, ignore_errors=True))


def _land(file: Path, target: Path, undo: Undo) -> None:
    """Put the file into landing, and last the mark that the day is complete."""
    success = target.parent / SUCCESS
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with _beside(target) as new:
            copy_in(file, new)
            new.rename(target)
        undo.append(lambda: target.unlink(missing_ok=True))
    if not success.exists():
        success.touch()
        undo.append(lambda: success.unlink(missing_ok=True))


def _set_aside(contracts: Path, sources: Sequence[str], undo: Undo) -> None:
    for source in sources:
        path, away = contracts / f"{source}{CONTRACT_SUFFIX}", contracts / SET_ASIDE / f"{source}{CONTRACT_SUFFIX}"
        away.parent.mkdir(exist_ok=True)
        path.rename(away)
        undo.append(lambda path=path, away=away: away.rename(path))  # type: ignore[misc]


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    new = path.with_name(f".{path.name}.adding")
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)


def _drop_tables(settings: Settings, contract: Contract) -> None:
    """Drop what the warehouse holds of the source alone; everything else leaves with the next run."""
    if not settings.warehouse.exists():
        return
    project = Project(settings)
    with project.exclusive(), project.warehouse() as con:
        found = con.execute(
            """
            select schema_name, view_name, 'view' from duckdb_views() where schema_name = 'staging'
            union all
            select schema_name, table_name, 'table' from duckdb_tables() where schema_name in ('raw', 'quarantine', 'quality')
            """
        ).fetchall()
        own = {table.raw_name for table in contract.tables}
        for schema, name, kind in found:
            if name in own or (schema == "staging" and name.startswith(f"stg_{contract.source}__")):
                con.execute(f'drop {kind} if exists {schema}."{name}"')
        tables = [f"raw.{name}" for name in sorted(own)]
        for name in _STATE_OF_A_TABLE:
            if ("quality", name, "table") in found:
                con.execute(f"delete from quality.{name} where list_contains(?, table_name)", [tables])
