"""The contract is the single owner: a change in it changes the loader, the gate, dbt, Dagster and the registry."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml

from expectations.suites import SuiteInput, raw_gate
from orchestration.config import PROJECT_ROOT
from orchestration.privacy.registry import personal_data
from orchestration.sources.contract import Contract, load_contract
from orchestration.sources.dbt_sources import render_sources
from orchestration.sources.load import load_day

DAY = date(2026, 1, 5)


@pytest.fixture
def content() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "data" / "contracts" / "crm.odcs.yaml").read_text())
    return loaded


def read(tmp_path: Path, content: dict[str, Any]) -> Contract:
    path = tmp_path / "crm.odcs.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_contract(path)


def column(content: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in content["schema"][0]["properties"] if c["name"] == name)
    return found


def raw_types(contract: Contract, landing: Path) -> dict[str, str]:
    table = contract.tables[0]
    file = landing / "crm" / str(DAY) / "contacts.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(",".join(c.physical_name for c in table.columns) + "\n")
    with duckdb.connect() as con:
        load_day(con, contract, table, DAY, landing, "run")
        return {row[0]: row[1] for row in con.execute(f"describe raw.{table.raw_name}").fetchall()}


def checks(contract: Contract) -> set[str]:
    gate = raw_gate(contract, contract.tables[0])
    return {e.meta["check"] for e in gate.build(SuiteInput(DAY, contract.tables[0], gate)) if e.meta}


def test_a_type_a_pattern_and_a_description_reach_loader_gate_and_dbt(tmp_path: Path, content: dict[str, Any]) -> None:
    before = read(tmp_path, content)
    assert raw_types(before, tmp_path / "a")["loyalty_no"] == "VARCHAR"
    assert "expect_column_values_to_match_regex:loyalty_no" not in checks(before)
    changed = column(content, "loyalty_no")
    changed |= {"logicalType": "integer", "description": "The card's number."}
    column(content, "phone")["logicalTypeOptions"] = {"pattern": "^[+0-9 ]+$"}
    after = read(tmp_path, content)
    assert raw_types(after, tmp_path / "b")["loyalty_no"] == "BIGINT"
    assert "expect_column_values_to_match_regex:phone" in checks(after) - checks(before)
    assert "The card's number." in render_sources([after])


def test_owner_and_delivery_reach_dagster(tmp_path: Path, content: dict[str, Any]) -> None:
    from orchestration.defs.collection.assets import raw_asset

    content["team"]["members"][0]["username"] = "somebody-else@kindred.example"
    content["customProperties"][0]["value"] = "snapshot"
    contract = read(tmp_path, content)
    asset = raw_asset(contract, contract.tables[0])
    spec = asset.get_asset_spec(dg.AssetKey(["raw", "crm__contacts"]))
    assert list(spec.owners) == ["somebody-else@kindred.example"]
    assert spec.tags["delivery"] == "snapshot"


def test_classification_purposes_and_retention_reach_the_registry(tmp_path: Path, content: dict[str, Any]) -> None:
    column(content, "created_at")["classification"] = "personal"
    column(content, "gender")["classification"] = "internal"
    next(p for p in content["slaProperties"] if p["property"] == "retention")["value"] = 2
    content["customProperties"][1]["value"] = [{"purpose": "service", "legalBasis": "contract"}]
    entries = {entry.column: entry for entry in personal_data([read(tmp_path, content)])}
    assert "gender" not in entries
    assert entries["created_at"].retention == "2y"
    assert [(p.purpose, p.legal_basis) for p in entries["email"].purposes] == [("service", "contract")]
    assert entries["national_id"].classification == "restricted"
