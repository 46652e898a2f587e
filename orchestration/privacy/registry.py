"""The registry of personal data: what is held of people, where from, for which purposes, and for how long.

Belongs here: deriving it from the data contracts, which are its only owner. Does not belong here: the published columns'
privacy words (data in the dbt models), or acting on retention.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from orchestration.sources.contract import Contract, Purpose

PERSONAL_CLASSES = frozenset({"pseudonymous", "personal", "restricted"})


@dataclass(frozen=True)
class RegistryEntry:
    """One raw column that says something of a person."""

    table: str
    """`raw.<source>__<table>`."""
    column: str
    classification: str
    """`pseudonymous`, `personal` or `restricted`."""
    semantic: str | None
    """The canonical attribute that it feeds."""
    source: str
    owner: str
    purposes: tuple[Purpose, ...]
    retention: str | None
    """As the contract says it, e.g. `5y`; None when it says nothing."""


def personal_data(contracts: Iterable[Contract]) -> list[RegistryEntry]:
    """Every raw column with personal data of the active sources, in the order of the contracts."""
    return [
        RegistryEntry(
            table=f"raw.{table.raw_name}",
            column=column.name,
            classification=column.classification,
            semantic=column.semantic,
            source=contract.source,
            owner=contract.owner,
            purposes=contract.purposes,
            retention=contract.retention,
        )
        for contract in contracts
        for table in contract.tables
        for column in table.columns
        if column.classification in PERSONAL_CLASSES
    ]
