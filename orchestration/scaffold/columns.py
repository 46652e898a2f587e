"""The columns of a source as its contract will describe them: type, meaning, classification and rules.

Belongs here: decisions about one column. Does not belong here: the file as a whole (see `plan`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from orchestration.scaffold.evidence import ENOUGH, Looks
from orchestration.scaffold.files import FILE_TABLE
from orchestration.scaffold.keys import Keys
from orchestration.scaffold.profile import ColumnProfile, LogicalType
from orchestration.scaffold.role_columns import EpochUnit
from orchestration.scaffold.semantics import IDENTIFIERS, ORDER_SEMANTICS, Proposal
from orchestration.scaffold.vocabulary import vocabulary
from orchestration.sources.contract import SEMANTICS
from orchestration.sources.names import literal

TIMES = ("updated_at", "created_at", "ordered_at")
# Parts of an attribute: the contract names the attribute that they feed.
_FEEDS = {
    "house_number": "street", "street_extra": "street", "full_address": "street", "birth_year": "birth_date",
    "birth_month": "birth_date", "birth_day": "birth_date",
}  # fmt: skip
_PSEUDONYMOUS = (*IDENTIFIERS, "order_id")
_ID_WORDS = frozenset({"id", "no", "nr", "number", "key", "code", "uuid", "guid", "ref"})
# An address on the network is personal data, however few there are.
_ADDRESS_WORDS = frozenset({"ip", "ipaddress", "ipv4", "ipv6"})
# Text of fewer different values than this is a code of the business; of more, it may name people.
_CODES = 50
_EMAIL_PATTERN = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"


@dataclass(frozen=True)
class PlannedColumn:
    """A column as the contract will describe it."""

    profile: ColumnProfile
    proposal: Proposal
    logical_type: LogicalType
    physical_type: str | None
    date_format: str | None
    semantic: str | None
    classification: str
    primary_key: bool
    options: Mapping[str, Any]
    """logicalTypeOptions besides the format; only rules that every row of the file holds."""

    epoch: EpochUnit | None = None
    """In what the column counts the time since 1970."""
    zone: str | None = None
    """The time zone that its times are in, when they do not say it and it is not UTC."""
    records_of: str | None = None
    """The other source whose records its values name."""

    @property
    def name(self) -> str:
        """Name in `raw`."""
        return self.profile.name


def plan_column(
    con: duckdb.DuckDBPyConnection,
    column: ColumnProfile,
    proposal: Proposal,
    keys: Keys,
    *,
    epoch: EpochUnit | None = None,
    zone: str | None = None,
    records_of: str | None = None,
) -> PlannedColumn:
    """Decide how the contract describes a column."""
    is_key = column in keys.columns
    logical, physical = _types(column, proposal, is_key=is_key or column == keys.record)
    typed_date = logical in ("date", "timestamp") and column.dates is not None
    form = column.dates.formats[0] if typed_date and column.dates is not None else ""
    semantic = _FEEDS.get(proposal.semantic or "", proposal.semantic)
    if column == keys.record and keys.record_kind == "column":
        semantic = "source_record_id" if records_of is None else None
    return PlannedColumn(
        profile=column,
        proposal=proposal,
        logical_type=logical,
        physical_type=physical,
        date_format=form or None,
        semantic=semantic if semantic in SEMANTICS else None,
        classification=_classification(column, proposal, keys),
        primary_key=is_key,
        options=_options(con, column, proposal, logical),
        epoch=epoch,
        zone=zone if logical in ("timestamp", "string") else None,
        records_of=records_of,
    )


def _types(column: ColumnProfile, proposal: Proposal, *, is_key: bool) -> tuple[LogicalType, str | None]:
    """The contract's type: text for all that is not counted or computed with."""
    semantic = proposal.semantic
    if semantic == "amount":
        plain = column.type in ("number", "integer")
        return ("number", "decimal(12,2)") if plain else ("string", None)
    if semantic == "items" and column.type in ("integer", "number"):
        return "integer", None
    if column.type == "integer" and column.native_type is None and _is_code(column, semantic, is_key):
        return "string", None
    if column.native_type is not None and column.type == "integer" and _is_code(column, semantic, is_key):
        # A whole number that the file holds as a fraction (pandas does so beside gaps) must not become the text `7.0`.
        return ("integer" if column.native_type in ("DOUBLE", "FLOAT") else "string"), None
    return column.type, None


def _is_code(column: ColumnProfile, semantic: str | None, is_key: bool) -> bool:
    counted = ("birth_year", "birth_month", "birth_day", "items", "amount")
    return is_key or (semantic is not None and semantic not in counted) or bool(set(column.words) & _ID_WORDS)


def _classification(column: ColumnProfile, proposal: Proposal, keys: Keys) -> str:
    semantic = proposal.semantic
    if semantic == "national_id" or (semantic is None and vocabulary().special(column.words)):
        return "restricted"
    if semantic in _PSEUDONYMOUS:
        return "pseudonymous"
    if semantic is not None and "." in semantic and column != keys.record:
        return "personal" if semantic.endswith(".subject") else "internal"
    named = vocabulary().match(column.words) if semantic is None else None
    if named is not None and named.semantic not in (*ORDER_SEMANTICS, *TIMES):
        # Named like something of a person, whatever its values say.
        return "personal"
    if semantic is None and (_ADDRESS_WORDS & set(column.words) or Looks(column).emails >= ENOUGH):
        return "personal"
    if semantic is not None and semantic not in ORDER_SEMANTICS and semantic not in TIMES:
        return "personal"
    if column == keys.record or column in keys.columns:
        return "pseudonymous"
    if semantic is None and column.type in ("string", "object") and column.dates is None and column.distinct > _CODES:
        return "personal"
    return "internal"


def _options(
    con: duckdb.DuckDBPyConnection, column: ColumnProfile, proposal: Proposal, logical: LogicalType
) -> dict[str, Any]:
    """Rules that guard tomorrow's file; each holds for every row of this one, so that none is held back at first."""

    def all_match(pattern: str) -> bool:
        value = f"trim({column.column}) <> ''"
        query = f"select count(*) from {FILE_TABLE} where {value} and not regexp_matches({column.column}, {literal(pattern)})"
        return bool(column.filled) and con.execute(query).fetchall()[0][0] == 0

    options: dict[str, Any] = {}
    if logical == "string" and proposal.semantic == "email" and all_match(_EMAIL_PATTERN):
        options["pattern"] = _EMAIL_PATTERN
    if logical == "string" and proposal.semantic == "country" and all_match("^[A-Z]{2}$"):
        options["pattern"] = "^[A-Z]{2}$"
    if logical in ("number", "integer") and proposal.semantic in ("amount", "items") and all_match(r"^[^-]*$"):
        options["minimum"] = 0
    return options
