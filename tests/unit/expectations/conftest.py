import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import small_warehouse


@pytest.fixture(scope="session")
def warehouse_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_warehouse.make(tmp_path_factory.mktemp("template") / "warehouse.duckdb")


@pytest.fixture
def warehouse(warehouse_template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(warehouse_template, tmp_path / "warehouse.duckdb"))
