"""Every contract of docs/connectors.md is one that Kindred reads and that fits the standard's schema."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft201909Validator

from orchestration.config import PROJECT_ROOT
from orchestration.sources.contract import load_contract

SNIPPETS = [
    yaml.safe_load(text)
    for text in re.findall(r"```yaml\n(.*?)```", (PROJECT_ROOT / "docs" / "connectors.md").read_text(), re.DOTALL)
]


def test_the_page_shows_every_connector() -> None:
    assert {snippet["servers"][0]["type"] for snippet in SNIPPETS} == {"local", "s3", "postgres", "custom", "api"}


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet["servers"][0]["server"])
def test_its_contracts_are_read_and_fit_the_standard(tmp_path: Path, snippet: dict[str, Any]) -> None:
    source = snippet["servers"][0]["server"]
    column = {"name": "id", "logicalType": "string", "primaryKey": True, "classification": "internal"}
    updated = {"name": "updated_at", "logicalType": "timestamp", "required": True, "classification": "internal"}
    tables = snippet.get("schema") or [
        {"name": "customers", "customProperties": [{"property": "cursorColumn", "value": "updated_at"}]}
    ]
    content = {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": source, "version": "1.0.0", "status": "active",
        "team": {"name": "t", "members": [{"username": "owner@example.com", "role": "owner"}]},
        **snippet,
        "schema": [{**table, "properties": [column, updated]} for table in tables],
    }  # fmt: skip
    path = tmp_path / f"{source}.odcs.yaml"
    path.write_text(yaml.safe_dump(content))
    assert load_contract(path).tables
    standard = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8"))
    assert [error.message for error in Draft201909Validator(standard).iter_errors(content)] == []
