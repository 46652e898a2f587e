"""A company with canaries in it that has run for two days, made once: tests take copies."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from canary_company import Planted, plant

from orchestration.config import PROJECT_ROOT

KINDRED = Path(sys.executable).parent / "kindred"
SECRET = "a secret for tests, of more than thirty-two characters"
KEY = "a key for tests, of more than thirty-two characters"


@dataclass(frozen=True)
class CanaryCompany:
    """A data folder with planted people, and the command line on it."""

    data: Path
    planted: Planted

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINDRED_DATA": str(self.data),
            "KINDRED_CONTRACTS": str(PROJECT_ROOT / "data" / "contracts"),
            "KINDRED_SECRET": SECRET,
            "KINDRED_ENCRYPTION_KEY": KEY,
            "COLUMNS": "200",
        }

    def kindred(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `kindred` as a user does."""
        return subprocess.run(
            [str(KINDRED), *arguments],
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def copy(self, target: Path) -> "CanaryCompany":
        """The same company in another folder, to be changed by one test."""
        shutil.copytree(self.data, target)
        return CanaryCompany(target, self.planted)


@pytest.fixture(scope="session")
def canary_company(tmp_path_factory: pytest.TempPathFactory) -> CanaryCompany:
    """80 customers of the sample and four people of canaries, two landing days, run once. Take a copy to change it."""
    bare = CanaryCompany(tmp_path_factory.mktemp("canaries") / "data", Planted())
    made = bare.kindred(
        "sample", "--customers", "80", "--days", "2", "--seed", "5", "--out", str(bare.data / "landing")
    )
    assert made.returncode == 0, made.stdout + made.stderr
    company = CanaryCompany(bare.data, plant(bare.data / "landing"))
    run = company.kindred("run", "--all")
    assert run.returncode == 0, run.stdout + run.stderr
    return company
