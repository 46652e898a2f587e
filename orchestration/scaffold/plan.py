"""The source as it will be: columns with their types, key, roles, and what a person has to check.

Belongs here: every decision about the file as a whole. Does not belong here: how the decisions are written down (see
`contract_file` and `staging`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from orchestration.scaffold.errors import ScaffoldError
from orchestration.scaffold.files import FILE_TABLE
from orchestration.scaffold.keys import Keys, choose_keys
from orchestration.scaffold.losses import Losses, find_losses
from orchestration.scaffold.other_roles import flags_of, other_roles, way_to
from orchestration.scaffold.profile import ColumnProfile, FileProfile, LogicalType
from orchestration.scaffold.semantics import IDENTIFIERS, ORDER_SEMANTICS, Proposal, by_semantic, propose
from orchestration.scaffold.vocabulary import vocabulary, words_of
from orchestration.sources.contract import ROLES, SEMANTICS, Delivery, strptime_format
from orchestration.sources.names import literal

# The roles for which staging models can be written from one file.
SCAFFOLDED_ROLES = ("customer_records", "record_identifiers", "orders")
_PERSONAL = ("given_name", "family_name", "full_name", "email", "phone", "national_id", "street", "full_address")
_TIMES = ("updated_at", "created_at", "ordered_at")
# Parts of an attribute: the contract names the attribute that they feed.
_FEEDS = {
    "house_number": "street", "street_extra": "street", "full_address": "street", "birth_year": "birth_date",
    "birth_month": "birth_date", "birth_day": "birth_date",
}  # fmt: skip
_PSEUDONYMOUS = (*IDENTIFIERS, "order_id")
_ID_WORDS = frozenset({"id", "no", "nr", "number", "key", "code", "uuid", "guid", "ref"})
# Text of fewer different values than this is a code of the business; of more, it may name people.
_CODES = 50
_EMAIL_PATTERN = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
# A version dated later than this past its landing day is held back by the gates.
_CLOCK_TOLERANCE = timedelta(days=2)


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

    @property
    def name(self) -> str:
        """Name in `raw`."""
        return self.profile.name


@dataclass(frozen=True)
class SourcePlan:
    """All that is written for a source."""

    source: str
    table: str
    delivery: Delivery
    profile: FileProfile
    proposals: tuple[Proposal, ...]
    columns: tuple[PlannedColumn, ...]
    keys: Keys
    version: ColumnProfile | None
    """The column that orders the versions of a row, typed as a date or a time."""
    feeds: tuple[str, ...]
    amount_by_line: bool
    """The lines of an order have amounts of their own, rather than each the order's total."""
    losses: Losses
    flags: tuple[str, ...]

    def fed(self) -> dict[str, PlannedColumn]:
        """The planned columns by what they were taken for (parts of attributes under their own names)."""
        return {c.proposal.semantic: c for c in self.columns if c.proposal.semantic is not None}

    def named(self, profile: ColumnProfile) -> PlannedColumn:
        """The plan of a profiled column."""
        return self.columns[profile.position]


def plan_source(
    con: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    source: str,
    day: date,
    *,
    delivery: Delivery | None = None,
    key: str | None = None,
    feeds: Sequence[str] = (),
) -> SourcePlan:
    """Decide how the profiled file becomes a source; the file is still open in `con`.

    Raises:
        ScaffoldError: the file says nothing about people or orders, or an option does not fit it.
    """
    table = table_name(profile.file.original.stem, source)
    proposals = propose(profile)
    known = by_semantic(proposals)
    _check_roles(feeds)
    version = known["updated_at"].column if "updated_at" in known else None
    version_flags: list[str] = []
    if version is not None:
        version, version_flags = _usable_version(con, version, day)
    orders = _holds_orders(known) if not feeds else "orders" in feeds
    keys = choose_keys(con, profile, proposals, version, table, key, holds_orders=orders)
    roles = _roles(profile, known, keys, orders=orders) if not feeds else _wanted_roles(known, keys, feeds)
    columns = tuple(_column(con, column, proposals[column.position], keys) for column in profile.columns)
    losses = find_losses(con, proposals)
    flags = [
        *profile.file.notes,
        *_column_flags(columns),
        *losses.flags,
        *keys.flags,
        *version_flags,
        *_whole_flags(con, known, roles, day, delivery, version),
        *flags_of(other_roles(profile)),
    ]
    return SourcePlan(
        source=source,
        table=table,
        delivery=delivery or "delta",
        profile=profile,
        proposals=proposals,
        columns=columns,
        keys=keys,
        version=version,
        feeds=roles,
        amount_by_line="orders" in roles and _amount_by_line(con, known),
        losses=losses,
        flags=tuple(dict.fromkeys(flags)),
    )


def table_name(stem: str, source: str) -> str:
    """A table's name from a file's: without the date that exports carry behind it, without the source's own name."""
    words = list(words_of(stem))
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    if len(words) > 1 and words[0] == source:
        words = words[1:]
    name = "_".join(words)
    return name if re.match(r"^[a-z]", name) else f"table_{name}".rstrip("_")


def _check_roles(feeds: Sequence[str]) -> None:
    for role in feeds:
        if role not in SCAFFOLDED_ROLES:
            known = ", ".join(SCAFFOLDED_ROLES)
            reason = (
                f"the scaffold writes {known} only. Leave it away; then {way_to(role)}"
                if role in ROLES
                else f"is unknown; known are {known}"
            )
            raise ScaffoldError(f'--feeds {role}: {reason}. See docs/add-a-source.md, "What the tool cannot know".')


def _holds_orders(known: Mapping[str, Proposal]) -> bool:
    """An amount, and an order's id or an order's time: a table of customers may hold a total or a last order, not both."""
    return "amount" in known and ("order_id" in known or "ordered_at" in known) and _order_time(known) is not None


def _amount_by_line(con: duckdb.DuckDBPyConnection, known: Mapping[str, Proposal]) -> bool:
    """Whether rows of one order differ in the amount; a total that each of them repeats is counted once."""
    if "order_id" not in known:
        return False
    order, amount = known["order_id"].column.column, known["amount"].column.column
    differing = con.execute(
        f"""
        select count(*)
        from (select 1 from {FILE_TABLE} where trim({amount}) <> '' group by {order} having count(distinct {amount}) > 1)
        """
    ).fetchall()[0][0]
    return bool(differing)


def _order_time(known: Mapping[str, Proposal]) -> Proposal | None:
    return known.get("ordered_at") or known.get("created_at") or known.get("updated_at")


def _roles(profile: FileProfile, known: Mapping[str, Proposal], keys: Keys, *, orders: bool) -> tuple[str, ...]:
    personal = any(name in known for name in _PERSONAL)
    roles = []
    if personal or keys.record_kind == "column":
        roles.append("customer_records")
    if not roles or not (personal or orders):
        raise ScaffoldError(
            "no column names or reaches a person (a name, an e-mail address, a phone, an address), and there are no orders "
            "of one. If the columns' names are unusual, rename them in the export, or add the words to "
            "orchestration/scaffold/data/vocabulary.yaml; with --feeds customer_records the source is made all the same."
            + "".join(f" The file looks like {role}: for that, {way_to(role)}." for role, _ in other_roles(profile))
        )
    if any(name in known and known[name].column != keys.record for name in IDENTIFIERS):
        roles.append("record_identifiers")
    if orders:
        roles.append("orders")
    return tuple(roles)


def _wanted_roles(known: Mapping[str, Proposal], keys: Keys, feeds: Sequence[str]) -> tuple[str, ...]:
    """The roles that --feeds named, in their order; every role hangs on the customer records."""
    roles = tuple(role for role in SCAFFOLDED_ROLES if role in feeds or role == "customer_records")
    if "orders" in roles:
        missing = [what for what, there in (
            ("an amount", "amount" in known), ("a date or time of the order", _order_time(known) is not None),
        ) if not there]  # fmt: skip
        if missing:
            raise ScaffoldError(f"--feeds orders: no column holds {' or '.join(missing)}")
    if "record_identifiers" in roles and not any(name in known for name in IDENTIFIERS):
        raise ScaffoldError(f"--feeds record_identifiers: no column holds one of {', '.join(IDENTIFIERS)}")
    return roles


def _column(con: duckdb.DuckDBPyConnection, column: ColumnProfile, proposal: Proposal, keys: Keys) -> PlannedColumn:
    is_key = column in keys.columns
    logical, physical = _types(column, proposal, is_key=is_key or column == keys.record)
    typed_date = logical in ("date", "timestamp") and column.dates is not None
    form = column.dates.formats[0] if typed_date and column.dates is not None else ""
    semantic = _FEEDS.get(proposal.semantic or "", proposal.semantic)
    if column == keys.record and keys.record_kind == "column":
        semantic = "source_record_id"
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
    if semantic is not None and semantic not in ORDER_SEMANTICS and semantic not in _TIMES:
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


def _usable_version(
    con: duckdb.DuckDBPyConnection, column: ColumnProfile, day: date
) -> tuple[ColumnProfile | None, list[str]]:
    """The version column, unless gates would hold its rows back or it cannot be typed."""
    latest = _latest(con, column)
    if column.type not in ("date", "timestamp"):
        return None, [f"`{column.physical_name}` does not read as a time in every row: it orders no versions"]
    if latest is not None and latest >= day + _CLOCK_TOLERANCE:
        return None, [
            f"`{column.physical_name}` holds times up to {latest}, later than the landing day {day}: it orders no versions. "
            f"Land the file under a day not before {latest} by --date if the times are right"
        ]
    return column, []


def _latest(con: duckdb.DuckDBPyConnection, column: ColumnProfile) -> date | None:
    form = column.dates.formats[0] if column.dates is not None else ""
    parsed = (
        f"try_strptime({column.column}, {literal(strptime_format(form))})"
        if form
        else f"try_cast({column.column} as timestamptz)"
    )
    latest: date | None = con.execute(f"select cast(max({parsed}) as date) from {FILE_TABLE}").fetchall()[0][0]
    return latest


def _column_flags(columns: Sequence[PlannedColumn]) -> list[str]:
    flags = []
    for column in columns:
        name, dates = column.profile.physical_name, column.profile.dates
        if column.proposal.flag:
            flags.append(f"`{name}`: {column.proposal.flag}")
        if dates is not None and dates.ambiguous:
            flags.append(f"`{name}`: {dates.evidence}. Change the format in the contract if that is wrong")
        if dates is not None and not dates.whole and column.proposal.semantic in ("birth_date", *_TIMES):
            unread = round((1 - dates.share) * column.profile.filled)
            flags.append(
                f"`{name}`: stays text in raw; the staging model reads {dates.evidence}; {unread:,} others become null"
            )
        if dates is not None and dates.short_years:
            flags.append(f"`{name}`: years of two digits; a birth date in the future is taken a century back")
    return flags


def _whole_flags(
    con: duckdb.DuckDBPyConnection,
    known: Mapping[str, Proposal],
    roles: Sequence[str],
    day: date,
    delivery: Delivery | None,
    version: ColumnProfile | None,
) -> list[str]:
    flags = []
    if "birth_year" in known and "birth_date" not in known and not {"birth_month", "birth_day"} <= set(known):
        flags.append("only the year of birth is known: it stands as the first of January of that year")
    if "full_address" in known and "street" not in known:
        flags.append(
            f"`{known['full_address'].column.physical_name}`: the whole address goes into street, it is not taken apart"
        )
    if "full_name" in known and ("given_name" in known or "family_name" in known):
        flags.append("names come whole and in parts: the parts are used, and the whole name where a row has no part")
    if delivery is None:
        flags.append(
            "delivery is taken as `delta`: each file adds to the earlier ones. If each file is the whole list, so that who is "
            "missing has left, add it again with --delivery snapshot"
        )
    if version is None and "orders" not in roles and delivery != "snapshot":
        flags.append("no column tells when a row was last changed: the landing day stands for it")
    if "orders" in roles:
        flags += _order_flags(con, known, day)
    return flags


def _order_flags(con: duckdb.DuckDBPyConnection, known: Mapping[str, Proposal], day: date) -> list[str]:
    from orchestration.scaffold.staging_orders import currency_sign, unknown_words

    flags = []
    when = _order_time(known)
    assert when is not None
    if "ordered_at" not in known:
        flags.append(f"`{when.column.physical_name}` is taken for the time of the order")
    latest = _latest(con, when.column)
    if latest is not None and latest >= day + _CLOCK_TOLERANCE:
        flags.append(
            f"`{when.column.physical_name}` holds orders up to {latest}, later than the landing day {day}: those are held "
            "back by the gates. Land the file under a later day by --date"
        )
    if "currency" not in known and currency_sign(known["amount"].column) is None:
        flags.append(
            "no column tells the currency: EUR is written into the staging model. Change it there if that is wrong"
        )
    for name in ("status", "channel"):
        words = unknown_words(name, known[name].column) if name in known else 0
        if words:
            default = "placed" if name == "status" else "web"
            flags.append(
                f"`{known[name].column.physical_name}`: {words} of its words are unknown and count as {default}"
            )
        elif name not in known:
            default = "shipped (completed)" if name == "status" else "web"
            flags.append(f"no column tells the {name} of orders: all count as {default}")
    if "items" not in known:
        flags.append("no column tells the number of items: it stays empty")
    if known["amount"].column.type == "string":
        flags.append(
            f"`{known['amount'].column.physical_name}` is text in raw; the staging model takes the number out of it"
        )
    return flags
