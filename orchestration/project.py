"""One data folder with its contracts and its dbt project: what every entry point (Dagster, command line) starts from.

Belongs here: putting settings, contracts and dbt together, and preparing the folders that Dagster needs. Does not
belong here: any stage's work.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial

import duckdb
from filelock import FileLock, Timeout

from orchestration.config import Settings, load_settings
from orchestration.duckdb_files import forget_key, use_key
from orchestration.privacy.encryption import load_encryption_key, load_key_of_working_files
from orchestration.sources import landed
from orchestration.sources.contract import Contract, Table, load_contracts
from orchestration.transform import Transform
from orchestration.warehouse import WarehouseLockedError, connect, convert, kept_open

# Telemetry and the newsletter's form off; one run at a time, because DuckDB has one writer.
_DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
event_log_storage:
  module: orchestration.defs.event_log
  class: PooledSqliteEventLogStorage
  config:
    base_dir: {home}/history
"""


@dataclass(frozen=True)
class Project:
    """Settings with what follows from them."""

    settings: Settings

    def __post_init__(self) -> None:
        """Tell this process which files have a key; the key itself is asked for when one of them is opened."""
        use_key(self.settings.customers_file, partial(load_encryption_key, self.settings))
        if self.settings.encrypt_working_files:
            use_key(self.settings.warehouse, partial(load_key_of_working_files, self.settings))
        else:
            forget_key(self.settings.warehouse)
        # Encrypted files of landing can be read as long as there is a key, whatever is made of new ones.
        landed.use_key(
            self.settings.landing,
            partial(load_key_of_working_files, self.settings),
            encrypts=self.settings.encrypt_working_files,
        )

    @cached_property
    def contracts(self) -> tuple[Contract, ...]:
        """The active sources. Raises ContractError."""
        return load_contracts(self.settings.contracts)

    @cached_property
    def transform(self) -> Transform:
        """The dbt project over this data folder."""
        return Transform(self.settings, self.contracts)

    @property
    def sources(self) -> set[str]:
        """Names of the active sources."""
        return {contract.source for contract in self.contracts}

    @property
    def tables(self) -> list[tuple[Contract, Table]]:
        """Every delivered table with its contract, in the order of the contracts."""
        return [(contract, table) for contract in self.contracts for table in contract.tables]

    def warehouse(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A connection to the working file under the configured limits. Raises WarehouseLockedError."""
        return connect(self.settings.warehouse, threads=self.settings.threads, memory_limit=self.settings.memory_limit)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the warehouse for a whole run.

        DuckDB's own lock is free between two steps of a run, where another run could slip in.

        Raises WarehouseLockedError when another run holds it.
        """
        path = self.settings.warehouse.with_suffix(".run.lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise WarehouseLockedError(
                "Another run is going on in this data folder; `kindred status` shows it. Start this one when it has ended."
            ) from error
        try:
            with kept_open(self.settings.warehouse):
                yield
        finally:
            lock.release()

    def prepare_dagster_home(self) -> None:
        """Make the Dagster home, and point this process and its children at it."""
        home = self.settings.dagster_home
        home.mkdir(parents=True, exist_ok=True)
        config = home / "dagster.yaml"
        if not config.exists():
            config.write_text(_DAGSTER_YAML.format(home=home), encoding="utf-8")
        os.environ["DAGSTER_HOME"] = str(home)
        os.environ["KINDRED_DATA"] = str(self.settings.data)
        os.environ["KINDRED_CONTRACTS"] = str(self.settings.contracts)


def load_project() -> Project:
    """The project that the environment describes."""
    return Project(load_settings())


def convert_landing(project: Project, *, encrypted: bool) -> landed.Converted:
    """Encrypt every file below landing with the configured key, or decrypt it; what is done already is left.

    Raises:
        orchestration.privacy.encryption.EncryptionKeyError: no fit key is set.
        orchestration.encrypted_files.UnreadableEncryptionError: the key is wrong, or a file is damaged; those before it are
            done.
        WarehouseLockedError: a run is going on.
    """
    load_key_of_working_files(project.settings)
    with project.exclusive():
        return landed.convert(project.settings.landing, encrypted=encrypted)


def convert_warehouse(project: Project, *, encrypted: bool) -> bool:
    """Encrypt the working file with the configured key, or decrypt it. Returns False when there was nothing to do.

    Raises:
        orchestration.privacy.encryption.EncryptionKeyError: no fit key is set.
        orchestration.duckdb_files.EncryptionError: the key is wrong.
        WarehouseLockedError: a run is going on.
    """
    with project.exclusive():
        return convert(project.settings.warehouse, load_key_of_working_files(project.settings), encrypted=encrypted)
