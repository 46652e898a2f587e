"""Contracts are read into what the rest derives from, and a wrong one is refused with its place and the way out."""

from pathlib import Path

import pytest
import yaml

from orchestration.config import PROJECT_ROOT
from orchestration.sources.contract import (
    ROLES,
    ContractError,
    feeds,
    load_contract,
    load_contracts,
    strptime_format,
)
from orchestration.sources.dbt_sources import render_sources, write_sources

SAMPLE = PROJECT_ROOT / "data" / "contracts"


@pytest.fixture
def crm() -> dict:
    return yaml.safe_load((SAMPLE / "crm.odcs.yaml").read_text())


def written(tmp_path: Path, content: dict, name: str = "crm.odcs.yaml") -> Path:
    path = tmp_path / name
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_sample_contracts_describe_seven_sources_that_feed_every_role() -> None:
    contracts = load_contracts(SAMPLE)
    assert [c.source for c in contracts] == ["crm", "loyalty", "marketing", "shop", "social", "support", "web"]
    assert all(feeds(contracts)[role] for role in ROLES)
    assert all(column.description for c in contracts for table in c.tables for column in table.columns)
    assert next(c for c in contracts if c.source == "loyalty").delivery == "snapshot"


def test_a_column_keeps_its_place_in_the_file_and_gets_its_type() -> None:
    loyalty = load_contract(SAMPLE / "loyalty.odcs.yaml")
    dob = next(column for column in loyalty.tables[0].columns if column.name == "dob")
    assert (dob.physical_name, dob.type, dob.date_format) == ("DOB", "date", "%d/%m/%Y")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("dd/MM/yyyy", "%d/%m/%Y"),
        ("yyyy-MM-dd'T'HH:mm:ssX", "%Y-%m-%dT%H:%M:%S%z"),
        ("dd.MM.yyyy HH:mm:ss", "%d.%m.%Y %H:%M:%S"),
    ],
)
def test_java_date_patterns_are_translated(pattern: str, expected: str) -> None:
    assert strptime_format(pattern) == expected


def test_an_unknown_date_letter_is_named() -> None:
    with pytest.raises(ContractError, match="'QQ' is not understood"):
        strptime_format("yyyy-QQ")


def test_every_mistake_is_named_with_file_and_place(tmp_path: Path, crm: dict) -> None:
    columns = crm["schema"][0]["properties"]

    def message() -> str:
        with pytest.raises(ContractError) as refused:
            load_contract(written(tmp_path, crm))
        return str(refused.value)

    columns[1]["customProperties"][0]["value"] = "first"
    assert "crm.odcs.yaml: schema[0] (contacts).properties[1] (first_name): semantic 'first' is unknown" in message()
    columns[1]["customProperties"][0]["value"] = "given_name"
    columns[2]["name"] = "first_name"
    assert "column name 'first_name' stands twice" in message()
    columns[2]["name"] = "middle_name"
    columns[0]["primaryKey"] = False
    assert "no column has primaryKey: true" in message()
    columns[0]["primaryKey"] = True
    crm["customProperties"][1]["value"][0]["legalBasis"] = "because"
    assert "purpose 'service' has the legal basis 'because'" in message()
    crm["customProperties"][1]["value"][0]["legalBasis"] = "contract"
    crm["schema"][0]["customProperties"][0]["value"] = ["people"]
    assert "'people' is unknown; known are customer_records" in message()
    crm["schema"][0]["customProperties"][0]["value"] = ["customer_records"]
    crm["team"]["members"][0]["role"] = "reader"
    assert "no member with role 'owner'" in message()


def test_a_file_that_is_no_contract_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "crm.odcs.yaml"
    broken.write_text("id: [crm")
    with pytest.raises(ContractError, match="not valid YAML"):
        load_contract(broken)
    with pytest.raises(ContractError, match="not a valid Open Data Contract: colour"):
        load_contract(written(tmp_path, {"id": "crm", "colour": "red"}))


def test_the_file_name_is_the_source(tmp_path: Path, crm: dict) -> None:
    with pytest.raises(ContractError, match=r"call the file crm\.odcs\.yaml"):
        load_contract(written(tmp_path, crm, "contacts.odcs.yaml"))


def test_a_folder_without_contracts_says_what_makes_a_source_active(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="a source is active when its contract lies there"):
        load_contracts(tmp_path)


def test_dbt_sources_follow_the_contracts_and_are_rewritten_only_on_change(tmp_path: Path) -> None:
    contracts = load_contracts(SAMPLE)
    tables = yaml.safe_load(render_sources(contracts))["sources"][0]["tables"]
    assert [t["name"] for t in tables] == [t.raw_name for c in contracts for t in c.tables]
    path = write_sources(contracts, tmp_path)
    before = path.stat().st_mtime_ns
    assert write_sources(contracts, tmp_path).stat().st_mtime_ns == before
    write_sources(contracts[:1], tmp_path)
    assert "shop__orders" not in path.read_text()


def test_ids_of_another_source_need_that_source(tmp_path: Path, crm: dict) -> None:
    column = crm["schema"][0]["properties"][1]
    column["customProperties"] = [{"property": "recordsOf", "value": "shop"}]
    path = written(tmp_path, crm)
    assert load_contract(path).tables[0].columns[1].records_of == "shop"
    with pytest.raises(ContractError, match=r"recordsOf names the source 'shop', which is not active"):
        load_contracts(tmp_path)
    column["customProperties"] = [{"property": "recordsOf", "value": "The shop"}]
    with pytest.raises(ContractError, match=r"recordsOf: 'The shop' is no name of a source"):
        load_contract(written(tmp_path, crm))
