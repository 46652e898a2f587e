"""What a data contract is: a source, its tables and columns as typed objects, and the words that a contract may use.

Belongs here: these objects, the vocabulary of semantics and roles, and the one language of date formats. Does not belong
here: reading the file and telling what is wrong with it (see `contract_reader`), and reading delivered data (see `load`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from orchestration.sources.errors import ContractError
from orchestration.sources.servers import FileServer, Origin

CONTRACT_SUFFIX = ".odcs.yaml"

# The canonical attributes that a column can feed: those of integration.int_customer_records, then the identifiers of
# integration.int_record_identifiers.
RECORD_SEMANTICS = (
    "source_record_id", "given_name", "middle_name", "family_name", "full_name", "birth_date", "gender", "email",
    "phone", "street", "unit", "city", "region", "postcode", "country", "national_id", "updated_at",
)  # fmt: skip
IDENTIFIER_SEMANTICS = ("user_id", "loyalty_number", "device_id", "anonymous_id", "social_handle")
SEMANTICS = frozenset(RECORD_SEMANTICS + IDENTIFIER_SEMANTICS)

# What a table can feed; each is a staging model `stg_<source>__<role>` and an integration model that unions them.
ROLES = (
    "customer_records", "record_identifiers", "customer_events", "orders", "consent_events", "support_tickets",
)  # fmt: skip

LEGAL_BASES = frozenset(
    # GDPR, article 6(1) a to f.
    {"consent", "contract", "legal_obligation", "vital_interest", "public_task", "legitimate_interest"}
)
# The custom property `rowKey` of a table without a key: a row is known by all that it holds.
WHOLE_ROW = "whole_row"
CLASSIFICATIONS = ("public", "internal", "pseudonymous", "personal", "restricted")

Delivery = Literal["delta", "snapshot"]
DriftPolicy = Literal["strict", "evolve", "ignore"]
# What a day far off its table's history does (customProperties `anomalies` of a table).
Anomalies = Literal["warn", "block", "off"]

# Java's DateTimeFormatter letters (the standard's choice of format language) in DuckDB's strptime terms.
_DATE_LETTERS = {
    "yyyy": "%Y", "yy": "%y", "MM": "%m", "M": "%-m", "MMM": "%b", "MMMM": "%B", "dd": "%d", "d": "%-d",
    "HH": "%H", "H": "%-H", "mm": "%M", "ss": "%S", "SSS": "%g", "SSSSSS": "%f", "X": "%z", "XXX": "%z", "Z": "%z",
    "a": "%p", "hh": "%I",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of a delivered table: where it stands in the file, and the type it has in `raw`."""

    name: str
    physical_name: str
    type: str
    """DuckDB type in the raw table."""
    date_format: str | None
    """strptime format of a date or timestamp that arrives as text; None reads ISO 8601."""
    description: str
    semantic: str | None
    classification: str
    required: bool
    primary_key: bool
    options: dict[str, Any] = field(default_factory=dict)
    """The standard's logicalTypeOptions: pattern, minLength, maxLength, minimum, maximum."""
    valid_values: tuple[str, ...] = ()
    records_of: str | None = None
    """The other source of whose records the column holds the ids (custom property `recordsOf`)."""


@dataclass(frozen=True)
class Table:
    """One delivered table of a source."""

    source: str
    name: str
    file_glob: str
    description: str
    feeds: tuple[str, ...]
    version_column: str | None
    columns: tuple[Column, ...]
    quality: tuple[dict[str, Any], ...] = ()
    origin: Origin | None = None
    """Where the rows come from when the server is asked for them (a database, an API)."""
    anomalies: Anomalies = "warn"
    """What a day does whose volume or fill rates lie far off the table's history."""

    @property
    def raw_name(self) -> str:
        """Name in the schemas `raw` and `quarantine`: `<source>__<table>`."""
        return f"{self.source}__{self.name}"

    @property
    def keys(self) -> tuple[Column, ...]:
        """The columns of the primary key, in their order; none when a row is known by all that it holds."""
        return tuple(column for column in self.columns if column.primary_key)


@dataclass(frozen=True)
class Purpose:
    """What the source's data may be used for, and on what legal basis (GDPR article 6)."""

    purpose: str
    legal_basis: str


@dataclass(frozen=True)
class Contract:
    """A source as its contract describes it."""

    path: Path
    source: str
    title: str
    description: str
    domain: str
    owner: str
    team: str
    delivery: Delivery
    daily: bool
    """Whether a delivery is owed each day; then a missing one fails the raw gate."""
    retention: str | None
    server: FileServer
    purposes: tuple[Purpose, ...]
    tables: tuple[Table, ...]
    frequency_days: int | None = None
    """A delivery is owed every so many days; None when the contract promises nothing."""
    drift_policy: DriftPolicy = "strict"
    """What an unknown column does: stop the table, land as nullable text, or be left out."""

    @cached_property
    def fingerprint_text(self) -> str:
        """The file's text, part of a load's fingerprint: a changed contract loads the day again."""
        return self.path.read_text(encoding="utf-8")


_FORMAT_TOKEN = re.compile(r"'(?P<quoted>[^']*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>[^A-Za-z'])")


def strptime_format(java_pattern: str) -> str:
    """Translate a DateTimeFormatter pattern (`dd/MM/yyyy`) to strptime (`%d/%m/%Y`).

    Raises ContractError for a letter that has no counterpart.
    """
    parts: list[str] = []
    for token in _FORMAT_TOKEN.finditer(java_pattern):
        letters = token["letters"]
        if letters is None:
            parts.append(token["quoted"] if token["quoted"] is not None else token["other"])
        elif letters in _DATE_LETTERS:
            parts.append(_DATE_LETTERS[letters])
        else:
            known = ", ".join(sorted(_DATE_LETTERS))
            raise ContractError(f"date format {java_pattern!r}: {letters!r} is not understood; known are {known}")
    return "".join(parts)


def load_contract(path: Path) -> Contract:
    """Read one contract file.

    Raises:
        ContractError: the file is no valid contract; the message names the file and the path inside it.
    """
    # Only who reads a contract pays for the standard's parser.
    from orchestration.sources.contract_reader import read_contract

    return read_contract(path)


def load_contracts(folder: Path) -> tuple[Contract, ...]:
    """Read every contract of the folder, sorted by source: these are the active sources.

    Raises:
        ContractError: the folder is missing or empty, a contract is wrong, two contracts name one source, or one leans on
            a source that is not there.
    """
    paths = sorted(folder.glob(f"*{CONTRACT_SUFFIX}")) if folder.is_dir() else []
    if not paths:
        raise ContractError(
            f"no data contract (*{CONTRACT_SUFFIX}) in {folder}: a source is active when its contract lies there"
        )
    contracts = tuple(load_contract(path) for path in paths)
    seen: dict[str, Path] = {}
    for contract in contracts:
        if contract.source in seen:
            raise ContractError(
                f"{contract.path.name}: source {contract.source!r} is already described by {seen[contract.source].name}"
            )
        seen[contract.source] = contract.path
    for contract in contracts:
        for table in contract.tables:
            for column in table.columns:
                if column.records_of is not None and column.records_of not in seen:
                    raise ContractError(
                        f"{contract.path.name}: {table.name}.{column.name}: recordsOf names the source {column.records_of!r}, "
                        "which is not active: its contract does not lie in the folder. Put it back, or take the property away"
                    )
    return contracts


def feeds(contracts: Iterable[Contract]) -> dict[str, list[str]]:
    """Which sources feed each role, for the dbt models that union them: role to sources, in order."""
    return {role: [c.source for c in contracts if any(role in table.feeds for table in c.tables)] for role in ROLES}
