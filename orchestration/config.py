"""Settings from the environment and the paths that follow from them.

Belongs here: what an operator may set, and where files lie. Does not belong here: anything that opens, creates or reads
those files.
"""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent
OWNER_ONLY_UMASK = 0o077


class Settings(BaseSettings):
    """Kindred's settings, each from `KINDRED_<NAME>`, each with a default that works on one laptop.

    Relative paths given in the environment count from the current folder; the defaults count from the project.
    """

    model_config = SettingsConfigDict(env_prefix="KINDRED_", frozen=True, extra="ignore")

    data: Path = PROJECT_ROOT / "data"
    contracts: Path = PROJECT_ROOT / "data" / "contracts"
    ledger_url: str | None = None
    secret: str | None = Field(default=None, repr=False)
    role: str | None = None
    roles_file: Path | None = None
    encryption_key: str | None = Field(default=None, repr=False)
    encryption_key_command: str | None = Field(default=None, repr=False)
    encrypt_working_files: bool = False
    token_period: str = "never"
    k_anonymity: int = Field(default=5, ge=2)
    engine: Literal["duckdb", "spark"] = "duckdb"
    spark_remote: str | None = None
    memory_limit: str | None = None
    threads: int | None = None
    webhook_url: str | None = None
    smtp_url: str | None = None
    smtp_ca_file: Path | None = None
    ui_url: str = "http://localhost:3000"

    @field_validator("data", "contracts")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @field_validator("token_period")
    @classmethod
    def _known_period(cls, period: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,39}", period):
            raise ValueError(
                "KINDRED_TOKEN_PERIOD is never, year, month or a label of lower case letters, digits and _.- of at most "
                "40 characters"
            )
        return period

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
    """Read the environment. Raises pydantic's ValidationError when a variable cannot be understood."""
    return Settings()
