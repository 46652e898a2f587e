"""What dbt knows of the sources, written from the contracts: the `raw` source entry and the vars of active sources.

Belongs here: generated dbt input. Nobody edits it; it lies in the data folder, not in the project.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from orchestration.privacy.purposes import dbt_purposes
from orchestration.sources.contract import Contract, feeds

SOURCES_FILE = "sources.yml"


def dbt_vars(contracts: Sequence[Contract]) -> dict[str, Any]:
    """The vars with which dbt parses and runs: the active sources, which of them feed each role, and what each purpose
    asks for."""
    return {
        "active_sources": [contract.source for contract in contracts],
        "feeds": feeds(contracts),
        "purposes": dbt_purposes(contracts),
    }


def render_sources(contracts: Sequence[Contract]) -> str:
    """The YAML of dbt's source `raw`: one table per contract table, with the contract's words."""
    tables = [
        {
            "name": table.raw_name,
            "description": table.description,
            "config": {"meta": {"dagster": {"asset_key": ["raw", table.raw_name]}, "owner": contract.owner}},
            "columns": [
                {"name": column.name, "description": column.description, "data_type": column.type}
                for column in table.columns
            ],
        }
        for contract in contracts
        for table in contract.tables
    ]
    source = {
        "name": "raw",
        "schema": "raw",
        "description": "Typed rows as the sources delivered them, every load date, by the contracts.",
        "tables": tables,
    }
    return yaml.safe_dump({"version": 2, "sources": [source]}, sort_keys=False, allow_unicode=True)


def write_sources(contracts: Sequence[Contract], folder: Path) -> Path:
    """Write the source entry into `folder`; an unchanged file is left alone, so that dbt need not parse again."""
    path = folder / SOURCES_FILE
    text = render_sources(contracts)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path
