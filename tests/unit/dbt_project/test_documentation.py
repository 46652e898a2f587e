"""Every model and column is described, and every published column says what may be shown of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.config import PROJECT_ROOT
from orchestration.publishing.columns import parse_privacy

DBT = PROJECT_ROOT / "dbt_project"
MODEL_FILES = sorted((DBT / "models").rglob("*.sql"))


def _documented() -> dict[str, dict[str, Any]]:
    models: dict[str, dict[str, Any]] = {}
    for path in (DBT / "models").rglob("*.yml"):
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", []):
            models[model["name"]] = model
    return models


DOCUMENTED = _documented()
PUBLISHED = [path for path in MODEL_FILES if path.parent.name in ("marts", "analysis")]


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
def test_models_and_columns_are_described(path: Path) -> None:
    model = DOCUMENTED[path.stem]

    assert model["description"].strip().startswith("One row")
    assert model["columns"]
    assert all(column["description"].strip() for column in model["columns"])


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_columns_have_a_type_and_a_privacy_word(path: Path) -> None:
    for column in DOCUMENTED[path.stem]["columns"]:
        assert column["data_type"]
        parse_privacy(column["config"]["meta"]["privacy"], f"{path.stem}.{column['name']}")


def test_nothing_is_described_that_does_not_exist() -> None:
    assert set(DOCUMENTED) == {path.stem for path in MODEL_FILES}


def test_seeds_are_described() -> None:
    seeds = yaml.safe_load((DBT / "seeds" / "_seeds.yml").read_text(encoding="utf-8"))["seeds"]

    assert {seed["name"] for seed in seeds} == {path.stem for path in (DBT / "seeds").rglob("*.csv")}
    for seed in seeds:
        path = next((DBT / "seeds").rglob(f"{seed['name']}.csv"))
        header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
        assert seed["description"].strip()
        assert [column["name"] for column in seed["columns"]] == header
