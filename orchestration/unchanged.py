"""Whether a day's run would publish what is published already: the fingerprint of all that a run depends on.

Belongs here: computing that fingerprint, keeping it after a publication, and comparing. Does not belong here: running
anything (see `daily`). A wrong skip is worse than a slow run, so whatever cannot be compared counts as changed.
"""

import hashlib
import hmac
import importlib.metadata
import json
import re
import sys
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.config import PROJECT_ROOT
from orchestration.encrypted_files import UnreadableEncryptionError
from orchestration.ledger.digest import decisions_digest
from orchestration.ledger.promotions import read_promotions
from orchestration.ledger.store import Ledger
from orchestration.linkage.registry import pointed
from orchestration.privacy.encryption import load_encryption_key
from orchestration.privacy.secret import load_secret
from orchestration.project import Project
from orchestration.quality.history import ensure_tables, now
from orchestration.sources.errors import MissingFileError
from orchestration.sources.extract import is_asked
from orchestration.sources.extract.state import COMPLETE_MARKER
from orchestration.sources.load import day_fingerprint

if TYPE_CHECKING:
    import duckdb

_CODE = ("orchestration", "expectations")
_CODE_FILES = ("*.py", "*.sql", "*.css", "*.j2", "*.csv", "*.json", "*.yml", "*.yaml")
# Rows arrive and leave in these; everything else in the warehouse follows from them.
_ARRIVAL_SCHEMAS = ("raw", "quarantine")
_BUILT_SCHEMAS = ("staging", "integration", "cleansing", "resolution", "marts", "analysis")
_NEXT = "next: "
_PUBLISHED_FILES = ("analytics.duckdb", "customers.duckdb", "public.duckdb", "report.html")


@dataclass(frozen=True)
class Means:
    """Everything but data that decides what a run makes, as fingerprints."""

    rules: str
    """Code, libraries, contracts, dbt project, secret, decisions of people."""
    model: str | None
    """The linkage model promoted last, marked when the next run has yet to take it into use; None before the first."""

    def kept_by(self, later: "Means") -> bool:
        """Whether nothing changed up to `later`; a first model trained, or a promoted one taken into use, is no change."""
        return self.rules == later.rules and self.model in (None, later.model, f"{_NEXT}{later.model}")


def means(project: Project) -> Means | None:
    """The present means, or None when they cannot be known (a ledger elsewhere): then nothing is ever skipped."""
    settings = project.settings
    if settings.ledger_url is not None:
        return None
    secret = load_secret(settings)
    digest = hashlib.sha256(f"{sys.version}\n{_libraries()}\n{settings.engine}\n".encode())
    # Keyed, so that the warehouse says nothing about the secret.
    digest.update(hmac.new(secret, b"kindred published state", hashlib.sha256).digest())
    key = load_encryption_key(settings).encode()
    digest.update(hmac.new(key, b"kindred published state", hashlib.sha256).digest())
    digest.update(f"{settings.token_period}\n{settings.k_anonymity}\n".encode())
    for contract in project.contracts:
        digest.update(contract.path.read_bytes())
    for folder in (*(PROJECT_ROOT / name for name in _CODE), settings.dbt_project):
        patterns = _CODE_FILES if folder.name in _CODE else ("*.sql", "*.yml", "*.csv")
        _add_files(digest, (path for pattern in patterns for path in folder.rglob(pattern)), folder)
    ledger = Ledger.of(settings)
    digest.update(decisions_digest(ledger).encode())
    return Means(digest.hexdigest(), _model(settings.models, ledger))


@cache
def _libraries() -> str:
    """Versions of the project's direct dependencies: another DuckDB or Splink may give other results."""
    try:
        requirements = importlib.metadata.requires("kindred") or []
    except importlib.metadata.PackageNotFoundError:
        return (PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    names = sorted(
        {re.split(r"[^A-Za-z0-9._-]", item, maxsplit=1)[0] for item in requirements if "extra ==" not in item}
    )
    return "\n".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def _add_files(digest: "hashlib._Hash", paths: object, base: Path) -> None:
    for path in sorted(set(paths)):  # type: ignore[call-overload]
        if path.is_file() and "target" not in path.relative_to(base).parts:
            digest.update(f"{path.relative_to(base)}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())


def _model(models: Path, ledger: Ledger) -> str | None:
    present = pointed(models)
    promotions = read_promotions(ledger)
    version = promotions[-1].version if promotions else present
    if version is None:
        return None
    digest = hashlib.sha256(version.encode())
    _add_files(digest, (models / "linkage" / version).rglob("*"), models)
    # A rebuild resolves earlier days with the models of their time.
    return digest.hexdigest() if version == present else f"{_NEXT}{digest.hexdigest()}"


def published_by(project: Project, day: date) -> str | None:
    """The id of the run that published exactly what a run of this day would publish now; None when one is needed.

    That is so when the day's landed files are those that its last successful run loaded, when neither the means nor any
    raw or quarantined row changed since the last publication, and when what was published still lies there.

    Raises WarehouseLockedError when another run is going on.
    """
    if not project.settings.warehouse.exists():
        return None
    with project.exclusive(), project.warehouse() as con:
        ensure_tables(con)
        newest = con.execute(
            "select run_id, state from quality.published_state order by published_at desc, run_id desc limit 1"
        ).fetchall()
        of_day = con.execute(
            "select run_id, day_state from quality.published_state where load_date = ?", [day]
        ).fetchall()
        # A run since then that did not publish has left the tables of its own making behind.
        if not newest or not of_day or _last_run(con) != newest[0][0] or not _is_loaded(con, project, day):
            return None
        present = means(project)
        if present is None:
            return None
        same = of_day[0][1] == _day_state(con, present, day) and newest[0][1] == _state(con, project, present)
        return str(of_day[0][0]) if same else None


def keep_state(project: Project, day: date, run_id: str, before: Means | None) -> bool:
    """Remember what was published, after a whole run of the daily job has succeeded; the run still holds the warehouse.

    Nothing is remembered when something changed while the run went on (`before` is what stood at its start), or when
    another run has written since: then the next run runs. Returns whether it was remembered.
    """
    after = means(project)
    if before is None or after is None or not before.kept_by(after):
        return False
    with project.warehouse() as con:
        ensure_tables(con)
        if _last_run(con) != run_id:
            return False
        con.execute("begin")
        con.execute("delete from quality.published_state where load_date = ?", [day])
        con.execute(
            "insert into quality.published_state values (?, ?, ?, ?, ?)",
            [day, run_id, _day_state(con, after, day), _state(con, project, after), now()],
        )
        con.execute("commit")
    return True


def _is_loaded(con: "duckdb.DuckDBPyConnection", project: Project, day: date) -> bool:
    """Whether the day's landed files, byte for byte, are those that were loaded last."""
    landing = project.settings.landing
    for contract, table in project.tables:
        if is_asked(contract) and not (landing / contract.source / day.isoformat() / COMPLETE_MARKER).is_file():
            return False
        try:
            fingerprint = day_fingerprint(contract, table, day, landing)
        except (MissingFileError, UnreadableEncryptionError):
            # The run says what is wrong with it.
            return False
        loaded = con.execute(
            "select distinct fingerprint from quality.loads where table_name = ? and load_date = ?",
            [f"raw.{table.raw_name}", day],
        ).fetchall()
        if loaded != [(fingerprint,)]:
            return False
    return True


def _last_run(con: "duckdb.DuckDBPyConnection") -> str | None:
    """The last run that came as far as a gate."""
    rows = con.execute("select run_id from quality.check_results order by checked_at desc limit 1").fetchall()
    return rows[0][0] if rows else None


def _day_state(con: "duckdb.DuckDBPyConnection", present: Means, day: date) -> str:
    """What the day's own gates look at: the means, and what was landed up to the day, its history."""
    loads = con.execute(
        "select table_name, load_date::varchar, file, fingerprint from quality.loads where load_date <= ? order by all",
        [day],
    ).fetchall()
    return _hash([present.rules, present.model, loads])


def _state(con: "duckdb.DuckDBPyConnection", project: Project, present: Means) -> str:
    """What the published files follow from, and that they and the tables between still lie there."""
    tables = con.execute(
        """
        select schema_name, table_name, column_count
        from duckdb_tables()
        where database_name = current_database() and list_contains(?, schema_name)
        order by all
        """,
        [list(_ARRIVAL_SCHEMAS + _BUILT_SCHEMAS)],
    ).fetchall()
    rows = [
        con.execute(f'select count(*), sum(hash(arrived))::varchar from "{schema}"."{name}" as arrived').fetchall()
        for schema, name, _ in tables
        if schema in _ARRIVAL_SCHEMAS
    ]
    loads = con.execute(
        "select table_name, load_date::varchar, file, fingerprint from quality.loads order by all"
    ).fetchall()
    return _hash([present.rules, present.model, tables, rows, loads, _published(project.settings.published)])


def _published(folder: Path) -> list[tuple[str, int, int] | None]:
    """The published files by size and time of writing; None for one that is missing."""
    return [
        (name, (folder / name).stat().st_size, (folder / name).stat().st_mtime_ns) if (folder / name).exists() else None
        for name in _PUBLISHED_FILES
    ]


def _hash(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
