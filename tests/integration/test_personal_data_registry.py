"""The registry of personal data against a warehouse and published files that a real run made, and its page in the docs."""

import json
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.duckdb_files import attach
from orchestration.privacy.encryption import load_encryption_key
from orchestration.privacy.registry import RegistryEntry, build_registry, select, unknown_columns
from orchestration.privacy.registry_page import render_page
from orchestration.sources.contract import Contract, load_contracts
from tests.integration.conftest import RunCompany

PAGE = PROJECT_ROOT / "docs" / "personal-data.md"
_COLUMNS = """
    select schema_name || '.' || table_name, column_name from duckdb_columns()
    where database_name = ? and not internal order by all
"""


@pytest.fixture(scope="module")
def contracts(company: RunCompany) -> tuple[Contract, ...]:
    return load_contracts(company.contracts)


@pytest.fixture(scope="module")
def manifest(company: RunCompany) -> dict:
    loaded: dict = json.loads((company.data / "dbt" / "target" / "manifest.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def registry(contracts: tuple[Contract, ...], manifest: dict) -> list[RegistryEntry]:
    return build_registry(contracts, manifest)


def _columns(path: Path) -> list[tuple[str, str]]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(_COLUMNS, [path.stem]).fetchall()


def _named_in(file: str, columns: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Tables that only the file has carry its name; marts and analysis are those of the warehouse."""
    return [(f"{file}/{table}" if table.startswith("meta.") else table, column) for table, column in columns]


def test_every_column_of_the_warehouse_is_known(company: RunCompany, registry: list[RegistryEntry]) -> None:
    columns = _columns(company.warehouse)
    assert len(columns) > 900
    assert unknown_columns(registry, columns) == []


@pytest.mark.parametrize("name", ["analytics.duckdb", "public.duckdb"])
def test_every_column_of_the_published_files_is_known(
    company: RunCompany, registry: list[RegistryEntry], name: str
) -> None:
    columns = _columns(company.published.parent / name)
    assert columns
    assert unknown_columns(registry, _named_in(name, columns)) == []
    words = {(entry.table, entry.column): entry.published for entry in registry}
    assert not [place for place in columns if words.get(place, "") in (None, "drop")]


def test_every_column_of_the_encrypted_file_is_known(company: RunCompany, registry: list[RegistryEntry]) -> None:
    settings = Settings(data=company.data)
    with duckdb.connect() as con:
        attach(con, settings.customers_file, "customers", key=load_encryption_key(settings), read_only=True)
        columns = con.execute(_COLUMNS, ["customers"]).fetchall()
    assert columns
    assert unknown_columns(registry, _named_in("customers.duckdb", columns)) == []


def test_a_new_column_or_table_is_found(registry: list[RegistryEntry]) -> None:
    new = [("marts.dim_customer", "shoe_size"), ("resolution.something", "record_id"), ("marts.dim_customer", "email")]
    assert unknown_columns(registry, new) == new[:2]


def test_classification_follows_the_lineage(registry: list[RegistryEntry], contracts: tuple[Contract, ...]) -> None:
    found = {(entry.table, entry.column): entry for entry in registry}
    number = found["marts.dim_customer", "national_id"]
    assert (number.classification, number.sources, number.retention) == ("restricted", ("crm",), "5y")
    email = found["marts.dim_customer", "email"]
    assert (email.classification, email.semantic) == ("personal", "email")
    delivering = {c.source for c in contracts for t in c.tables for column in t.columns if column.semantic == "email"}
    assert set(email.sources) == delivering
    assert found["quarantine.crm__contacts", "record"].classification == "restricted"
    assert found["quarantine.shop__orders", "record"].classification == "pseudonymous"
    assert found["quarantine.dim_customer", "record"].classification == "restricted"
    assert found["integration.int_support_tickets", "subject"].classification == "personal"
    audience = found["analysis.marketing_audience", "address"]
    assert (audience.classification, audience.published) == ("personal", "token")
    assert [(purpose.purpose, purpose.legal_basis) for purpose in audience.purposes] == [("marketing", "consent")]
    assert found["ledger.consent_decisions", "record_id"].classification == "pseudonymous"
    assert found["analysis.daily_kpis", "orders"].classification == "internal"


def test_whatever_is_personal_has_a_purpose_and_a_source(registry: list[RegistryEntry]) -> None:
    for entry in select(registry):
        if not entry.table.startswith(("ledger.", "quality.")):
            assert entry.purposes, entry
            assert entry.sources, entry


def test_a_contract_that_classifies_more_strictly_changes_what_follows(
    contracts: tuple[Contract, ...], manifest: dict, tmp_path: Path
) -> None:
    for contract in contracts:
        text = contract.path.read_text()
        if contract.source == "social":
            text = text.replace("description: Town or city of the profile.\n        logicalType: string\n        classification: personal", "description: x\n        logicalType: string\n        classification: restricted")  # fmt: skip
        (tmp_path / contract.path.name).write_text(text)
    changed = {(e.table, e.column): e for e in build_registry(load_contracts(tmp_path), manifest)}
    assert changed["marts.dim_customer", "city"].classification == "restricted"
    assert changed["staging.stg_crm__customer_records", "city"].classification == "personal"


def test_the_page_in_the_docs_is_current(
    registry: list[RegistryEntry], contracts: tuple[Contract, ...], manifest: dict
) -> None:
    assert PAGE.read_text(encoding="utf-8") == render_page(registry, contracts, manifest), (
        "write it anew: kindred privacy map --markdown docs/personal-data.md"
    )


def test_the_record_of_processing_follows_the_contracts(contracts: tuple[Contract, ...]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    record = page[page.index("## Record of processing") : page.index("## In short")]
    for contract in contracts:
        for purpose in contract.purposes:
            (line,) = [row for row in record.splitlines() if row.startswith(f"| **{purpose.purpose}**")]
            assert f"{contract.source} ({contract.owner})" in line
            assert purpose.legal_basis in line
            assert f"{contract.source} {contract.retention}" in line
