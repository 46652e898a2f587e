"""Settings from the environment and the paths that follow from them.

Belongs here: what an operator may set, and where files lie. Does not belong here: anything that opens, creates or reads
those files.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestration.errors import KindredError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
OWNER_ONLY_UMASK = 0o077
_PREFIX = "KINDRED_"
# What may hold a key, a password or an address with one in it: never repeated in a message.
_SECRETS = frozenset({
    "secret", "encryption_key", "encryption_key_command", "ledger_url", "webhook_url", "smtp_url", "spark_remote",
})  # fmt: skip
# What each setting that can be wrong takes, for the message. Those that are not here take any text.
_ALLOWED = {
    "token_period": "never, year, month, or a label of lower case letters, digits and _.- of at most 40 characters",
    "k_anonymity": "a whole number of at least 2, such as 5",
    "engine": "duckdb or spark",
    "memory_limit": "a number with its unit, such as 4GB or 512MiB",
    "threads": "a whole number of at least 1, such as 4",
    "encrypt_working_files": "true or false",
}


class SettingsError(KindredError):
    """Environment variables that cannot be understood: each with what was given and what is allowed."""


class Settings(BaseSettings):
    """Kindred's settings, each from `KINDRED_<NAME>`, each with a default that works on one laptop.

    Relative paths given in the environment count from the current folder; the defaults count from the project.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore")

    data: Path = PROJECT_ROOT / "data"
    contracts: Path = PROJECT_ROOT / "data" / "contracts"
    ledger_url: str | None = None
    secret: str | None = Field(default=None, repr=False)
    role: str | None = None
    roles_file: Path | None = None
    encryption_key: str | None = Field(default=None, repr=False)
    encryption_key_command: str | None = Field(default=None, repr=False)
    encrypt_working_files: bool = False
    token_period: str = Field(default="never", pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")
    k_anonymity: int = Field(default=5, ge=2)
    engine: Literal["duckdb", "spark"] = "duckdb"
    spark_remote: str | None = None
    memory_limit: str | None = Field(default=None, pattern=r"^\d+(\.\d+)?\s?(?i:[kmgt]i?b?|b)$")
    threads: int | None = Field(default=None, ge=1)
    webhook_url: str | None = None
    smtp_url: str | None = None
    smtp_ca_file: Path | None = None
    ui_url: str = "http://localhost:3000"

    @field_validator("data", "contracts")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @cached_property
    def landing(self) -> Path:
        """Files as they arrived: `<source>/<YYYY-MM-DD>/*`."""
        return self.data / "landing"

    @cached_property
    def warehouse(self) -> Path:
        """The working DuckDB file. It has one writer; people query the published file instead."""
        return self.data / "warehouse" / "kindred.duckdb"

    @cached_property
    def published(self) -> Path:
        """What people open: `analytics.duckdb`, `public.duckdb`, `customers.duckdb`, `report.html`."""
        return self.data / "published"

    @cached_property
    def customers_file(self) -> Path:
        """The full marts, encrypted at rest."""
        return self.published / "customers.duckdb"

    @cached_property
    def models(self) -> Path:
        """Trained models, one folder per version."""
        return self.data / "models"

    @cached_property
    def quality(self) -> Path:
        """Great Expectations' Data Docs."""
        return self.data / "quality"

    @cached_property
    def dagster_home(self) -> Path:
        """The Dagster instance: run and event storage."""
        return self.data / "dagster"

    @cached_property
    def dbt(self) -> Path:
        """dbt's generated sources, target and logs of this data folder."""
        return self.data / "dbt"

    @cached_property
    def dbt_project(self) -> Path:
        """The dbt project that ships with Kindred."""
        return PROJECT_ROOT / "dbt_project"


def keep_to_owner() -> None:
    """From now on whatever this process and its children create is for its owner alone.

    Called where a process begins (command line, Dagster's code location). What others may read, the published files, is
    opened to them by name (`orchestration.publishing.files`).
    """
    os.umask(OWNER_ONLY_UMASK)


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: variables cannot be understood; the message names each, what was given, and what is allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        told = [_told(str(problem["loc"][0]), problem["input"], problem["msg"]) for problem in error.errors()]
        raise SettingsError("\n".join(told)) from None


def _told(name: str, given: object, reason: str) -> str:
    shown = "is set to something else" if name in _SECRETS else f"is {str(given)!r}"
    return f"{_PREFIX}{name.upper()} {shown}; allowed: {_ALLOWED.get(name, reason)}"
