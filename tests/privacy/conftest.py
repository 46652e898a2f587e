"""A company with canaries in it that has run for two days, made once: tests take copies."""

import pytest
from canary_company import CanaryCompany, Planted, plant


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
