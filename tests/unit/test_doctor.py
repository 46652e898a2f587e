"""The doctor names what is wrong and how to mend it."""

from pathlib import Path

import pytest

from orchestration.config import Settings
from orchestration.doctor import Finding, Verdict, examine
from orchestration.project import Project, convert_landing


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


def test_landing_is_said_to_be_plain_mixed_or_encrypted(tmp_path: Path) -> None:
    key = "a key of the tests, of more than thirty-two characters"
    day = tmp_path / "data" / "landing" / "crm" / "2026-01-05"
    day.mkdir(parents=True)
    (day / "contacts.csv").write_text("contact_id\n")
    assert findings(tmp_path, encryption_key=key)["landing"].seen == "1 days, 2026-01-05 to 2026-01-05, plain"
    wanted = {"encryption_key": key, "encrypt_working_files": True}
    project = Project(Settings(data=tmp_path / "data", **wanted))  # type: ignore[arg-type]
    convert_landing(project, encrypted=True)
    assert findings(tmp_path, **wanted)["landing"].verdict is Verdict.OK
    assert findings(tmp_path, **wanted)["landing"].seen.endswith("encrypted")
    (day / "more.csv").write_text("contact_id\n")
    mixed = findings(tmp_path, **wanted)["landing"]
    assert mixed.verdict is Verdict.WARN
    assert mixed.seen.endswith("mixed: 1 files encrypted, 1 plain")
    assert "kindred landing encrypt" in mixed.remedy
    for wrong in ({"encryption_key": key[::-1]}, {}):
        found = findings(tmp_path, **wrong)["landing"]
        assert found.verdict is Verdict.FAIL
        assert "KINDRED_ENCRYPTION_KEY" in found.seen
