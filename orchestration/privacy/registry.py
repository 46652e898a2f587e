"""The registry of personal data: every column of every table, what it says of people, where from, for which purposes, and
for how long.

Belongs here: deriving it. What a column is follows its lineage: the contracts classify what is delivered, a delivered
column feeds a canonical attribute (its semantic), and the models keep the attribute's name from integration to the marts.
What cannot be derived so, because Kindred itself makes it, is in `columns.yml` with a reason. Does not belong here: the
published columns' privacy words (data in the dbt models), acting on retention, or how it is shown (`registry_page.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestration.errors import KindredError
from orchestration.privacy.purposes import purpose_policies
from orchestration.sources.contract import CLASSIFICATIONS, SEMANTICS, Column, Contract, Purpose

PERSONAL_CLASSES = frozenset({"pseudonymous", "personal", "restricted"})
COLUMNS_FILE = Path(__file__).parent / "columns.yml"
RAW_COLUMNS = ("_load_date", "_file", "_row")
_TABLES = ("model", "seed", "snapshot")

Manifest = Mapping[str, Any]
Place = tuple[str, str]
"""(schema.table, column)."""


class RegistryError(KindredError):
    """A column is in no contract, follows from none, and is not explained: the message says where to classify it."""


@dataclass(frozen=True)
class RegistryEntry:
    """One column of one table."""

    table: str
    """`schema.table`."""
    column: str
    classification: str
    """`public`, `internal`, `pseudonymous`, `personal` or `restricted`."""
    semantic: str | None
    """The canonical attribute that it holds or feeds."""
    sources: tuple[str, ...]
    """The sources whose data is in it, by name; none for what Kindred makes itself."""
    purposes: tuple[Purpose, ...]
    retention: str | None
    """As the contracts say it, e.g. `5y`, or `crm 5y, shop 7y`; None when they say nothing."""
    known_by: str
    """How the classification is known."""
    published: str | None = None
    """The privacy word under which it is in the analysts' file; None when the table is not published."""

    @property
    def is_personal(self) -> bool:
        """Whether it says something of a person."""
        return self.classification in PERSONAL_CLASSES


@dataclass(frozen=True)
class _Rule:
    """A line of `columns.yml`."""

    pattern: str
    classification: str
    reason: str


def personal_data(contracts: Iterable[Contract]) -> list[RegistryEntry]:
    """Every raw column with personal data of the active sources, in the order of the contracts."""
    return [entry for contract in contracts for entry in _raw_entries(contract) if entry.is_personal]


def build_registry(contracts: Sequence[Contract], manifest: Manifest) -> list[RegistryEntry]:
    """Every column of every table that the project declares, by schema, table and place in the table.

    Args:
        manifest: dbt's manifest, parsed with these contracts active.

    Raises:
        RegistryError: a declared column cannot be classified.
    """
    classifier = Classifier(contracts, manifest)
    entries = [entry for contract in contracts for entry in _raw_entries(contract)]
    unknown = []
    for table, columns in classifier.declared():
        for column in columns:
            entry = classifier.entry(table, column)
            if entry is None:
                unknown.append(f"{table}.{column}")
            else:
                entries.append(entry)
    if unknown:
        raise RegistryError(
            f"It is not known what these columns say of people: {', '.join(unknown)}. Give a delivered column its "
            f"classification and semantic in the contract; a column that Kindred makes, a line in {COLUMNS_FILE.name}."
        )
    return entries


def unknown_columns(entries: Iterable[RegistryEntry], places: Iterable[Place]) -> list[Place]:
    """Which of the columns that exist are not in the registry, in their order."""
    known: dict[str, list[str]] = {}
    for entry in entries:
        known.setdefault(entry.table, []).append(entry.column)
    return [
        (table, column)
        for table, column in places
        if not any(fnmatch(column, pattern) for pattern in known.get(table, ()))
    ]


def select(
    entries: Iterable[RegistryEntry],
    table: str | None = None,
    classification: str | None = None,
    *,
    everything: bool = False,
) -> list[RegistryEntry]:
    """Entries by table (a pattern such as `marts.*`) and classification; by default only those with personal data.

    Raises:
        RegistryError: there is no such classification.
    """
    if classification is not None and classification not in CLASSIFICATIONS:
        raise RegistryError(f"{classification!r} is no classification; there are {', '.join(CLASSIFICATIONS)}")
    return [
        entry
        for entry in entries
        if (table is None or fnmatch(entry.table, table))
        and (entry.classification == classification if classification else everything or entry.is_personal)
    ]


def strictest(classifications: Iterable[str]) -> str:
    """The strictest of several."""
    return max(classifications, key=CLASSIFICATIONS.index)


class Classifier:
    """What a column says of people, from its table's lineage in the manifest."""

    def __init__(self, contracts: Sequence[Contract], manifest: Manifest) -> None:
        self._contracts = {contract.source: contract for contract in contracts}
        self._nodes: dict[str, Any] = {**manifest["nodes"], **manifest["sources"]}
        delivered = {
            f"raw.{table.raw_name}": (contract.source, table.columns)
            for contract in contracts
            for table in contract.tables
        }
        self.raw: dict[str, tuple[str, tuple[Column, ...]]] = {
            key: delivered[f"raw.{node['name']}"]
            for key, node in manifest["sources"].items()
            if node["schema"] == "raw" and f"raw.{node['name']}" in delivered
        }
        self._everything = frozenset(self.raw)
        self._reached: dict[str, frozenset[str]] = {}
        self._policies = purpose_policies(contracts)
        self._keys = {
            f"{node['schema']}.{node.get('alias') or node['name']}": key
            for key, node in self._nodes.items()
            if node["resource_type"] in (*_TABLES, "source")
            and node.get("config", {}).get("materialized") != "ephemeral"
        }

    def declared(self) -> Iterator[tuple[str, list[str]]]:
        """Every table but the raw ones, with its columns: dbt's models, seeds and sources, what Python makes, quarantine,
        the ledger, and the tables of published files that describe them."""
        found = {
            table: list(self._nodes[key].get("columns", {}))
            for table, key in self._keys.items()
            if key not in self.raw and self._nodes[key]["schema"] != "raw"
        }
        for table, columns in _content()["python"].items():
            found[table] = list(dict.fromkeys([*found.get(table, []), *columns]))
        yield from sorted(found.items())
        for name in self._gated():
            yield f"quarantine.{name}", list(_quarantine_shape())
        yield from sorted(_ledger_tables().items())
        yield from sorted(_content()["files"].items())

    def classes_of(self, key: str) -> dict[str, str | None]:
        """The classification of each documented column of one of dbt's nodes; None where it is not known."""
        if key in self.raw:
            return {column.name: column.classification for column in self.raw[key][1]}
        node = self._nodes.get(key)
        if node is None:
            return {}
        table = f"{node['schema']}.{node.get('alias') or node['name']}"
        entries = {column: self.entry(table, column, key) for column in node.get("columns", {})}
        return {column: entry.classification if entry else None for column, entry in entries.items()}

    def entry(self, table: str, column: str, key: str | None = None) -> RegistryEntry | None:
        """The entry of a column outside raw, or None when nothing says what it is."""
        key = key or self._keys.get(table)
        if table.startswith("quarantine."):
            reached = self._reach_of_gated(table.removeprefix("quarantine."))
        else:
            reached = self._reach(key) if key else self._everything
        found = self._classify(table, column, reached)
        if found is None:
            return None
        classification, semantic, sources, known_by = found
        node = self._nodes.get(key or "", {})
        return RegistryEntry(
            table=table,
            column=column,
            classification=classification,
            semantic=semantic,
            sources=sources if classification in PERSONAL_CLASSES or semantic else (),
            purposes=self._purposes(node, reached),
            retention=self._retention(sources),
            known_by=known_by,
            published=_privacy_word(node, column),
        )

    def _classify(
        self, table: str, column: str, reached: frozenset[str]
    ) -> tuple[str, str | None, tuple[str, ...], str] | None:
        sources = tuple(sorted({self.raw[key][0] for key in reached}))
        for rule in _rules("tables"):
            if fnmatch(f"{table}.{column}", rule.pattern):
                if rule.classification == "strictest":
                    classes = [c.classification for key in reached for c in self.raw[key][1]]
                    return strictest(classes or ["restricted"]), None, sources, rule.reason
                return rule.classification, None, sources, rule.reason
        name = column.removesuffix("_l").removesuffix("_r")
        by_semantic = [(self.raw[key][0], c) for key in reached for c in self.raw[key][1] if c.semantic == name]
        if name in SEMANTICS and by_semantic:
            return self._inherited(by_semantic, name, f"canonical attribute {name}")
        by_name = [(self.raw[key][0], c) for key in reached for c in self.raw[key][1] if c.name == column]
        if by_name:
            return self._inherited(by_name, None, "delivered under this name")
        for rule in _rules("columns"):
            if fnmatch(column, rule.pattern):
                return rule.classification, None, sources, rule.reason
        if name in SEMANTICS:
            return "personal", name, sources, f"canonical attribute {name}, which none of these sources delivers"
        return None

    def _inherited(
        self, columns: Sequence[tuple[str, Column]], semantic: str | None, known_by: str
    ) -> tuple[str, str | None, tuple[str, ...], str]:
        sources = tuple(sorted({source for source, _ in columns}))
        return strictest(column.classification for _, column in columns), semantic, sources, known_by

    def _reach(self, key: str) -> frozenset[str]:
        """The raw tables that a table is made from. What Python makes is taken to be made from all."""
        if key in self._reached:
            return self._reached[key]
        node = self._nodes.get(key)
        if key in self.raw:
            reached = frozenset({key})
        elif node is None or node["resource_type"] == "source":
            reached = self._everything
        else:
            self._reached[key] = frozenset()
            parents = node.get("depends_on", {}).get("nodes", [])
            reached = frozenset().union(*(self._reach(parent) for parent in parents))
        self._reached[key] = reached
        return reached

    def _gated(self) -> list[str]:
        from expectations.suites import DERIVED_GATES

        raw = [self._nodes[key]["name"] for key in self.raw]
        return sorted({*raw, *(gate.table for gate in DERIVED_GATES)})

    def _reach_of_gated(self, name: str) -> frozenset[str]:
        keys = [
            key
            for key, node in self._nodes.items()
            if node["resource_type"] in (*_TABLES, "source") and node["name"] == name
        ]
        return frozenset().union(*(self._reach(key) for key in keys)) if keys else self._everything

    def _purposes(self, node: Mapping[str, Any], reached: frozenset[str]) -> tuple[Purpose, ...]:
        declared = declared_purposes(node)
        if declared:
            return tuple(
                Purpose(name, self._policies[name].basis if name in self._policies else "unknown") for name in declared
            )
        sources = sorted({self.raw[key][0] for key in reached})
        found = {purpose: None for source in sources for purpose in self._contracts[source].purposes}
        return tuple(sorted(found, key=lambda purpose: (purpose.purpose, purpose.legal_basis)))

    def _retention(self, sources: Sequence[str]) -> str | None:
        kept = {source: self._contracts[source].retention for source in sources}
        if len(set(kept.values())) == 1:
            return next(iter(kept.values()))
        return ", ".join(f"{source} {retention or 'not said'}" for source, retention in kept.items()) or None


def declared_purposes(node: Mapping[str, Any]) -> list[str] | None:
    """The purposes of a model's or exposure's meta; None when it has none. Anything but a list of names is an empty one."""
    meta = {**(node.get("meta") or {}), **((node.get("config") or {}).get("meta") or {})}
    if "purposes" not in meta:
        return None
    given = meta["purposes"]
    return [str(name) for name in given] if isinstance(given, list) else []


def _raw_entries(contract: Contract) -> Iterator[RegistryEntry]:
    technical = {rule.pattern: rule for rule in _rules("columns")}
    for table in contract.tables:
        for column in table.columns:
            yield RegistryEntry(
                table=f"raw.{table.raw_name}",
                column=column.name,
                classification=column.classification,
                semantic=column.semantic,
                sources=(contract.source,),
                purposes=contract.purposes,
                retention=contract.retention,
                known_by=f"contract {contract.source}",
            )
        for name in RAW_COLUMNS:
            rule = technical[name]
            yield RegistryEntry(
                f"raw.{table.raw_name}", name, rule.classification, None, (contract.source,), contract.purposes,
                contract.retention, rule.reason,
            )  # fmt: skip


def _privacy_word(node: Mapping[str, Any], column: str) -> str | None:
    entry = node.get("columns", {}).get(column, {})
    meta = {**(entry.get("meta") or {}), **((entry.get("config") or {}).get("meta") or {})}
    word = meta.get("privacy")
    return str(word) if word else None


def _quarantine_shape() -> Iterable[str]:
    from orchestration.quality.quarantine import QUARANTINE_COLUMNS

    return QUARANTINE_COLUMNS


def _ledger_tables() -> dict[str, list[str]]:
    from orchestration.ledger.tables import metadata

    return {f"ledger.{table.name}": [column.name for column in table.columns] for table in metadata.tables.values()}


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(COLUMNS_FILE.read_text(encoding="utf-8"))
    return content


@cache
def _rules(section: str) -> tuple[_Rule, ...]:
    """The lines of a section. Raises RegistryError."""
    rules = []
    for group in _content()[section]:
        if group["classification"] not in (*CLASSIFICATIONS, "strictest"):
            raise RegistryError(f"{COLUMNS_FILE}: {group['classification']!r} is no classification")
        rules += [_Rule(pattern, group["classification"], group["reason"]) for pattern in group["names"]]
    return tuple(rules)
