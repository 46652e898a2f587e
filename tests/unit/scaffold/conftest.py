from collections.abc import Callable
from datetime import date
from functools import cached_property
from pathlib import Path

import duckdb
import pytest

from orchestration.config import Settings
from orchestration.scaffold.files import open_file
from orchestration.scaffold.losses import Losses
from orchestration.scaffold.plan import SourcePlan, Wishes, plan_source
from orchestration.scaffold.profile import profile_file

DAY = date(2026, 1, 5)


class OwnSettings(Settings):
    """Settings whose dbt project lies beside the data, so that no test writes into the real one."""

    @cached_property
    def dbt_project(self) -> Path:  # type: ignore[override]
        return self.data.parent / "dbt_project"


@pytest.fixture
def settings(tmp_path: Path) -> OwnSettings:
    (tmp_path / "dbt_project" / "models" / "staging").mkdir(parents=True)
    (tmp_path / "contracts").mkdir()
    return OwnSettings(data=tmp_path / "data", contracts=tmp_path / "contracts")


@pytest.fixture
def no_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not standardise the file's values: it takes most of the time, and has tests of its own."""
    monkeypatch.setattr("orchestration.scaffold.plan.find_losses", lambda con, proposals: Losses())


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., SourcePlan]:
    """The plan for a file that is given by its path, or by name and text."""

    def planned(file: Path | str, text: str | None = None, **options: object) -> SourcePlan:
        path = file if isinstance(file, Path) else tmp_path / file
        if text is not None:
            path.write_text(text, encoding="utf-8")
        workspace = tmp_path / "workspace"
        workspace.mkdir(exist_ok=True)
        with duckdb.connect() as con:
            con.execute("set timezone = 'UTC'")
            return plan_source(con, profile_file(con, open_file(con, path, workspace)), "own", DAY, Wishes(**options))  # type: ignore[arg-type]

    return planned
