"""The doctor names what is wrong and how to mend it."""

from pathlib import Path

import pytest

from orchestration.config import Settings
from orchestration.doctor import Finding, Verdict, examine


def findings(tmp_path: Path, **settings: object) -> dict[str, Finding]:
    given = Settings(data=tmp_path / "data", **settings)  # type: ignore[arg-type]
    return {finding.subject: finding for finding in examine(given)}


def test_a_fresh_installation_is_healthy_and_told_what_production_needs(tmp_path: Path) -> None:
    found = findings(tmp_path)
    assert [f.subject for f in found.values() if f.verdict is Verdict.FAIL] == []
    assert found["secret"].verdict is Verdict.WARN
    assert "KINDRED_SECRET" in found["secret"].remedy
    assert "kindred sample" in found["landing"].remedy
    assert found["contracts"].seen.startswith("7 active")


def test_a_secret_from_the_environment_is_what_production_wants(tmp_path: Path) -> None:
    assert findings(tmp_path, secret="x" * 40)["secret"].verdict is Verdict.OK


def test_a_broken_contract_is_found_with_its_name(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    (contracts / "crm.odcs.yaml").write_text("id: [")
    broken = [f for f in findings(tmp_path, contracts=contracts).values() if f.verdict is Verdict.FAIL]
    assert broken
    assert all("crm.odcs.yaml" in finding.seen for finding in broken)


def test_a_package_that_is_not_the_locked_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == "splink" else real(name))
    found = findings(tmp_path)["packages"]
    assert found.verdict is Verdict.FAIL
    assert "splink is 0.1, locked 5.0.0" in found.seen
    assert "make setup" in found.remedy


def test_a_warehouse_in_use_is_said_to_be(tmp_path: Path) -> None:
    from filelock import FileLock

    warehouse = tmp_path / "data" / "warehouse" / "kindred.duckdb"
    warehouse.parent.mkdir(parents=True)
    warehouse.touch()
    with FileLock(warehouse.with_suffix(".run.lock")):
        found = findings(tmp_path)["warehouse"]
    assert found.verdict is Verdict.FAIL
    assert "Another run is going on" in found.seen


def test_telemetry_that_somebody_switched_on_is_found(tmp_path: Path) -> None:
    home = tmp_path / "data" / "dagster"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: true\n")
    assert findings(tmp_path)["telemetry"].verdict is Verdict.FAIL
