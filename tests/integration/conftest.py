"""A small sample company that has gone through `kindred run --all`, made once for all tests that only look at it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestration.config import PROJECT_ROOT

KINDRED = Path(sys.executable).parent / "kindred"
SECRET = "a secret for tests, of more than thirty-two characters"


@dataclass(frozen=True)
class Outcome:
    """What a command said, and how it ended."""

    code: int
    output: str


@dataclass(frozen=True)
class Company:
    """A data folder, and the command line on it."""

    data: Path
    contracts: Path = PROJECT_ROOT / "data" / "contracts"

    def kindred(self, *arguments: str) -> Outcome:
        """Run `kindred` as a user does."""
        environment = {
            **os.environ,
            "KINDRED_DATA": str(self.data),
            "KINDRED_CONTRACTS": str(self.contracts),
            "KINDRED_SECRET": SECRET,
            "COLUMNS": "200",
        }
        done = subprocess.run([str(KINDRED), *arguments], env=environment, capture_output=True, text=True, check=False)
        return Outcome(done.returncode, done.stdout + done.stderr)

    def copy(self, target: Path) -> "Company":
        """The same company in another folder, to be changed by one test. Dagster's home stays behind."""
        shutil.copytree(self.data, target, ignore=shutil.ignore_patterns("dagster"))
        return Company(target, self.contracts)

    @property
    def warehouse(self) -> Path:
        return self.data / "warehouse" / "kindred.duckdb"

    @property
    def published(self) -> Path:
        return self.data / "published" / "analytics.duckdb"


@dataclass(frozen=True)
class RunCompany(Company):
    """A company whose landed days all ran; `first` is what the run said."""

    first: Outcome = Outcome(0, "")


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> RunCompany:
    """250 customers, two landing days, run once. Do not change it: take a copy."""
    bare = Company(tmp_path_factory.mktemp("company") / "data")
    made = bare.kindred(
        "sample", "--customers", "250", "--days", "2", "--seed", "3", "--out", str(bare.data / "landing")
    )
    assert made.code == 0, made.output
    return RunCompany(bare.data, bare.contracts, bare.kindred("run", "--all"))
