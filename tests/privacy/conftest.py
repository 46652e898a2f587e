"""A company with canaries in it that has run for two days, made once for all workers: tests put it back where they need it."""

import os
import pickle
import shutil
from pathlib import Path

import pytest
from canary_company import SECRET, CanaryCompany, Planted, plant
from filelock import FileLock

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.project import Project


@pytest.fixture(scope="session")
def canary_company(tmp_path_factory: pytest.TempPathFactory) -> CanaryCompany:
    """80 customers of the sample and four people of canaries, two landing days, run once. Only read it: to change it, put
    it back (`put_back`) or take a copy."""
    base = tmp_path_factory.getbasetemp()
    home = tmp_path_factory.mktemp("canaries") / "data"
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-canaries"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            return _kept(_made(home), shared)
    # Made by another worker. dbt parses all anew where it finds itself in another folder, so that is done once.
    planted = pickle.loads((shared / "planted.pickle").read_bytes())
    company = CanaryCompany(shared / "data", planted, home).put_back()
    settings = Settings(data=home, contracts=PROJECT_ROOT / "data" / "contracts", secret=SECRET)
    for _ in Project(settings).transform.run("parse", []):
        pass
    return _kept(company, base / "own-canaries")


def _made(home: Path) -> CanaryCompany:
    bare = CanaryCompany(home, Planted(), home)
    made = bare.kindred("sample", "--customers", "80", "--days", "2", "--seed", "5", "--out", str(home / "landing"))
    assert made.returncode == 0, made.stdout + made.stderr
    company = CanaryCompany(home, plant(home / "landing"), home)
    run = company.kindred("run", "--all")
    assert run.returncode == 0, run.stdout + run.stderr
    return company


def _kept(company: CanaryCompany, folder: Path) -> CanaryCompany:
    beside = folder.with_name(f"{folder.name}.new")
    shutil.copytree(company.data, beside / "data")
    (beside / "planted.pickle").write_bytes(pickle.dumps(company.planted))
    beside.rename(folder)
    return CanaryCompany(folder / "data", company.planted, company.home)
