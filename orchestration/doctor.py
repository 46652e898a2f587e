"""`kindred doctor`: is this environment fit to run, and if not, what mends it.

Belongs here: one small function per thing that can be wrong. Does not belong here: how the findings are shown.
"""

import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.duckdb_files import extension_path, literal
from orchestration.errors import KindredError
from orchestration.privacy.encryption import (
    KeyOrigin,
    key_origin,
    load_encryption_key,
    load_key_of_working_files,
)
from orchestration.project import Project
from orchestration.sources.deliveries import landed_days
from orchestration.sources.landed import check_key, forms

# Room for a day's work on a laptop: the working file, its copy while publishing, dbt's artefacts.
LEAST_FREE_BYTES = 2 * 1024**3
# All of the data folder but what is published, and what the repository carries (contracts, the sample's words).
PRIVATE_FOLDERS = ("landing", "warehouse", "ledger", "models", "quality", "dagster", "dbt", "secret", "sample_truth")
# The packages whose version decides whether files can be read or results repeat.
PINNED = ("dagster", "dbt-core", "dbt-duckdb", "duckdb", "duckdb-engine", "great-expectations", "splink", "sqlalchemy")


class Verdict(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was seen, and what to do when it is not ok."""

    subject: str
    verdict: Verdict
    seen: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one finding at a time; a check that breaks is itself a finding."""
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _python, _packages, _extension, _data_folder, _disk, _secret, _encryption, _permissions,
        _roles, _contracts, _purposes, _landing, _warehouse, _telemetry,
    )  # fmt: skip
    for check in checks:
        try:
            yield check(settings)
        except KindredError as error:
            yield Finding(check.__name__.strip("_"), Verdict.FAIL, str(error), "mend what the message names")


def _python(_: Settings) -> Finding:
    version = sys.version.split()[0]
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Finding("python", Verdict.OK, version)
    return Finding("python", Verdict.FAIL, version, "use Python 3.11 to 3.13: make setup PYTHON=python3.12")


def _packages(_: Settings) -> Finding:
    locked = dict(
        re.findall(r"^([a-z0-9-]+)==([^ \\;]+)", (PROJECT_ROOT / "requirements.lock").read_text(), re.MULTILINE)
    )
    wrong = []
    for name in PINNED:
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != locked[name]:
            wrong.append(f"{name} is {installed}, locked {locked[name]}")
    if wrong:
        return Finding("packages", Verdict.FAIL, "; ".join(wrong), "install what is locked: rm -r .venv && make setup")
    return Finding("packages", Verdict.OK, f"{len(PINNED)} pinned packages as locked")


def _extension(_: Settings) -> Finding:
    import duckdb

    path = extension_path()
    with duckdb.connect() as connection:
        connection.execute(f"load {literal(str(path))}")
    return Finding("duckdb httpfs", Verdict.OK, f"v{duckdb.__version__}, from its package")


def _data_folder(settings: Settings) -> Finding:
    settings.data.mkdir(parents=True, exist_ok=True)
    if os.access(settings.data, os.W_OK | os.X_OK):
        return Finding("data folder", Verdict.OK, str(settings.data))
    return Finding("data folder", Verdict.FAIL, f"{settings.data} is not writable", "chown it, or set KINDRED_DATA")


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.data).free
    seen = f"{free / 1024**3:.1f} GiB free"
    if free >= LEAST_FREE_BYTES:
        return Finding("disk", Verdict.OK, seen)
    return Finding(
        "disk", Verdict.WARN, seen, f"free at least {LEAST_FREE_BYTES / 1024**3:.0f} GiB, or set KINDRED_DATA"
    )


def _secret(settings: Settings) -> Finding:
    if settings.secret:
        return Finding("secret", Verdict.OK, "from KINDRED_SECRET")
    return Finding(
        "secret", Verdict.WARN, "generated in the data folder, beside what it protects",
        "in production set KINDRED_SECRET from your secret store",
    )  # fmt: skip


def _encryption(settings: Settings) -> Finding:
    origin = key_origin(settings)
    if settings.encrypt_working_files:
        load_key_of_working_files(settings)
        return Finding("encryption", Verdict.OK, f"warehouse, landing and customers.duckdb, key from {origin}")
    if origin is KeyOrigin.FILE:
        return Finding(
            "encryption", Verdict.WARN, "customers.duckdb only, with a key generated in the data folder",
            "in production set KINDRED_ENCRYPTION_KEY or KINDRED_ENCRYPTION_KEY_COMMAND from your secret store",
        )  # fmt: skip
    load_encryption_key(settings)
    return Finding(
        "encryption", Verdict.OK, f"customers.duckdb, key from {origin}; the warehouse and landing are plain"
    )


def _permissions(settings: Settings) -> Finding:
    if os.name != "posix":
        return Finding("permissions", Verdict.OK, "not looked at on this system")
    open_files = [path for folder in PRIVATE_FOLDERS for path in _open_to_others(settings.data / folder)]
    if not open_files:
        return Finding("permissions", Verdict.OK, "working files are for their owner alone")
    folders = " ".join(str(settings.data / name) for name in PRIVATE_FOLDERS if (settings.data / name).exists())
    return Finding(
        "permissions", Verdict.WARN, f"{len(open_files)} working files can be read by others, such as {open_files[0]}",
        f"chmod -R go-rwx {folders}",
    )  # fmt: skip


def _open_to_others(folder: Path) -> Iterator[Path]:
    """Files that group or others may read, in folders that they may enter."""
    if not folder.exists() or not folder.stat().st_mode & 0o011:
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from _open_to_others(path)
        elif path.stat().st_mode & 0o044:
            yield path


def _contracts(settings: Settings) -> Finding:
    contracts = Project(settings).contracts
    return Finding("contracts", Verdict.OK, f"{len(contracts)} active: {', '.join(c.source for c in contracts)}")


def _roles(settings: Settings) -> Finding:
    from orchestration.privacy.access import identify

    identity = identify(settings)
    if identity.roles:
        return Finding("access", Verdict.OK, identity.words)
    if identity.roles is None:
        return Finding(
            "access", Verdict.OK, f"{identity.words}; no roles are configured",
            "where several people work, name them in roles.yml of the data folder (docs/privacy.md)",
        )  # fmt: skip
    return Finding("access", Verdict.WARN, identity.words, "ask whoever keeps the roles file for a role")


def _purposes(settings: Settings) -> Finding:
    """Looks at the project as it was parsed last: parsing takes seconds, and each build looks again before it begins."""
    from orchestration.privacy.purpose_check import find_violations

    project = Project(settings)
    if not project.transform.is_parsed:
        return Finding("purposes", Verdict.OK, "checked before each build (kindred privacy check)")
    found = find_violations(project.transform.manifest, project.contracts)
    if found:
        return Finding("purposes", Verdict.FAIL, "; ".join(map(str, found)), "kindred privacy check; docs/privacy.md")
    return Finding("purposes", Verdict.OK, "nothing reaches personal data past what its purpose asks for")


def _landing(settings: Settings) -> Finding:
    days = landed_days(settings.landing, Project(settings).sources)
    if days:
        return _forms(settings, f"{len(days)} days, {days[0]} to {days[-1]}")
    return Finding(
        "landing", Verdict.WARN, "no landing day", "kindred sample, or put files under landing/<source>/<day>/"
    )


def _forms(settings: Settings, seen: str) -> Finding:
    """Whether the landed files are encrypted, all, some or none, and whether that is what the settings say."""
    found = forms(settings.landing)
    if found.encrypted and found.plain:
        seen += f", mixed: {found.encrypted} files encrypted, {found.plain} plain"
    else:
        seen += f", {'encrypted' if found.encrypted else 'plain'}"
    check_key(settings.landing)
    if found.plain and settings.encrypt_working_files:
        return Finding(
            "landing", Verdict.WARN, seen, "kindred landing encrypt; a day is encrypted when it is collected"
        )
    if found.encrypted and not settings.encrypt_working_files:
        return Finding(
            "landing", Verdict.WARN, seen, "set KINDRED_ENCRYPT_WORKING_FILES=true, or kindred landing decrypt"
        )
    return Finding("landing", Verdict.OK, seen)


def _warehouse(settings: Settings) -> Finding:
    if not settings.warehouse.exists():
        return Finding("warehouse", Verdict.OK, "not made yet; the first run makes it")
    project = Project(settings)
    with project.exclusive(), project.warehouse():
        return Finding("warehouse", Verdict.OK, f"{settings.warehouse.stat().st_size / 1024**2:.0f} MiB, free to write")


def _telemetry(settings: Settings) -> Finding:
    config = settings.dagster_home / "dagster.yaml"
    if not config.exists() or "enabled: false" in config.read_text():
        return Finding("telemetry", Verdict.OK, "off")
    return Finding("telemetry", Verdict.FAIL, "on in dagster.yaml", f"set telemetry: enabled: false in {config}")
