"""The source as it will be: columns with their types, key, roles, and what a person has to check.

Belongs here: every decision about the file as a whole. Does not belong here: single columns (`columns`), the sentences of
what to check (`flags`, `role_flags`), and how the decisions are written down (`contract_file` and `staging`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import duckdb

from orchestration.scaffold.columns import PlannedColumn, plan_column
from orchestration.scaffold.errors import ScaffoldError
from orchestration.scaffold.files import FILE_TABLE
from orchestration.scaffold.flags import column_flags, order_time, usable_version, whole_flags
from orchestration.scaffold.keys import Keys, choose_keys, likely_keys
from orchestration.scaffold.losses import Losses, find_losses
from orchestration.scaffold.profile import ColumnProfile, FileProfile
from orchestration.scaffold.role_columns import (
    ROLES_OF_ROWS,
    Named,
    RoleReading,
    attributes_of_roles,
    epoch_unit,
    is_recognised,
    is_zoned,
    named,
    read_role,
)
from orchestration.scaffold.role_flags import incomplete_flags, role_flags
from orchestration.scaffold.role_keys import choose_role_keys
from orchestration.scaffold.semantics import IDENTIFIERS, ORDER_SEMANTICS, Proposal, by_semantic, propose
from orchestration.scaffold.vocabulary import words_of
from orchestration.sources.contract import ROLES, SEMANTICS, Delivery

_PERSONAL = ("given_name", "family_name", "full_name", "email", "phone", "national_id", "street", "full_address")
# What an event may say of the person who did it; everything else in it is of what was done.
_PERSONAL_OF_EVENTS = ("given_name", "family_name", "full_name", "email", "phone")
_EVENT_IDENTIFIERS = {"user": "user_id", "visitor": "anonymous_id", "device": "device_id"}
_KEPT_TIMES = ("updated_at", "created_at")


@dataclass(frozen=True)
class Wishes:
    """What the user said besides the file: everything is guessed that they left open."""

    delivery: Delivery | None = None
    key: str | None = None
    feeds: Sequence[str] = ()
    mapped: Sequence[str] = ()
    """`attribute=column`."""
    given: Sequence[str] = ()
    """`attribute=value`, the same for all rows."""
    zone: str | None = None
    """Time zone of times that do not say it; None for UTC."""
    people: str | None = None
    """The source whose records the ids in the file name; None for this one."""


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
    readings: Mapping[str, RoleReading]
    """Consent, tickets and events, as far as the file feeds them."""
    observed: bool
    """A row is an observation of a person (a ticket, an event, an answer) rather than the person."""
    people: str | None
    """The other source whose records the rows are about."""

    def fed(self) -> dict[str, PlannedColumn]:
        """The planned columns by what they were taken for (parts of attributes under their own names)."""
        return {c.proposal.semantic: c for c in self.columns if c.proposal.semantic is not None}

    def named(self, profile: ColumnProfile) -> PlannedColumn:
        """The plan of a profiled column."""
        return self.columns[profile.position]


def plan_source(
    con: duckdb.DuckDBPyConnection, profile: FileProfile, source: str, day: date, wishes: Wishes | None = None
) -> SourcePlan:
    """Decide how the profiled file becomes a source; the file is still open in `con`.

    Raises:
        ScaffoldError: the file says nothing about people, orders, consent, tickets or events, or a wish does not fit it.
    """
    wishes = wishes or Wishes()
    table = table_name(profile.file.original.stem, source)
    said = named(profile, wishes.mapped, wishes.given)
    _check_wishes(wishes, said)
    proposals = _as_said(propose(profile), said)
    readings, incomplete = _readings(profile, said, wishes.feeds)
    for reading in readings.values():
        proposals = _claimed(proposals, reading)
    known = by_semantic(proposals)
    rows_of = next((r for r in readings.values() if r.role != "consent_events"), None)
    orders = rows_of is None and (_holds_orders(known) if not wishes.feeds else "orders" in wishes.feeds)
    if rows_of is None and "consent_events" in readings and not orders and not _lists_people(profile, proposals, table):
        rows_of = readings["consent_events"]
    version, version_flags = _version(con, known, rows_of, day)
    if rows_of is not None:
        keys = choose_role_keys(con, profile, proposals, version, table, rows_of, wishes.key)
    else:
        keys = choose_keys(con, profile, proposals, version, table, wishes.key, holds_orders=orders)
    roles = _roles(known, keys, readings, wishes, incomplete, rows_of, orders=orders)
    columns = tuple(
        plan_column(
            con,
            column,
            proposals[column.position],
            keys,
            epoch=epoch_unit(column) if _is_moment(column, readings) else None,
            zone=wishes.zone if wishes.zone and not is_zoned(column) and _is_timed(column) else None,
            records_of=wishes.people if _names_people(column, keys, readings) else None,
        )
        for column in profile.columns
    )
    losses = find_losses(con, proposals) if "customer_records" in roles else Losses()
    plan = SourcePlan(
        source=source,
        table=table,
        delivery=wishes.delivery or "delta",
        profile=profile,
        proposals=proposals,
        columns=columns,
        keys=keys,
        version=version,
        feeds=roles,
        amount_by_line="orders" in roles and _amount_by_line(con, known),
        losses=losses,
        flags=(),
        readings=readings,
        observed=rows_of is not None,
        people=wishes.people,
    )
    flags = [
        *profile.file.notes,
        *column_flags(columns),
        *losses.flags,
        *keys.flags,
        *version_flags,
        *whole_flags(con, known, roles, day, wishes.delivery, version),
        *role_flags(plan),
        *incomplete_flags(incomplete, source),
    ]
    return replace(plan, flags=tuple(dict.fromkeys(flags)))


def table_name(stem: str, source: str) -> str:
    """A table's name from a file's: without the date that exports carry behind it, without the source's own name."""
    words = list(words_of(stem))
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    if len(words) > 1 and words[0] == source:
        words = words[1:]
    name = "_".join(words)
    return name if re.match(r"^[a-z]", name) else f"table_{name}".rstrip("_")


def _check_wishes(wishes: Wishes, said: Named) -> None:
    for role in wishes.feeds:
        if role not in ROLES:
            raise ScaffoldError(f"--feeds {role}: is unknown; known are {', '.join(ROLES)}")
    known = SEMANTICS | attributes_of_roles() | set(ORDER_SEMANTICS)
    for name in said.columns:
        if name not in known:
            raise ScaffoldError(f"--map {name}=...: {name!r} is unknown; known are {', '.join(sorted(known))}")
    if wishes.zone is not None:
        from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

        try:
            ZoneInfo(wishes.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ScaffoldError(
                f"--timezone {wishes.zone}: no such time zone; write it as Europe/Berlin or America/New_York"
            ) from error


def _as_said(proposals: Sequence[Proposal], said: Named) -> tuple[Proposal, ...]:
    """The proposals with what --map said of them; who held such an attribute before gives it up."""
    chosen = {column.position: name for name, column in said.columns.items() if name in SEMANTICS}
    return tuple(
        Proposal(p.column, chosen[p.column.position], "sure", "named by --map", 2.0)
        if p.column.position in chosen
        else replace(p, semantic=None, confidence="none", flag=None)
        if p.semantic in chosen.values()
        else p
        for p in proposals
    )


# --- Consent, tickets and events -----------------------------------------------------------------------------------


def _readings(
    profile: FileProfile, said: Named, feeds: Sequence[str]
) -> tuple[dict[str, RoleReading], list[RoleReading]]:
    """What the file feeds of these roles, and what it would if more were known.

    Raises ScaffoldError when --feeds asks for one for which a column is missing.
    """
    readings: dict[str, RoleReading] = {}
    incomplete: list[RoleReading] = []
    for role in reversed(ROLES_OF_ROWS):
        reading = read_role(role, profile, said)
        if role in feeds:
            if reading is None or reading.missing:
                told = "; ".join(reading.missing) if reading else "no column looks like it"
                raise ScaffoldError(f"--feeds {role}: {told}. The columns of the file are {_listed(profile)}")
            readings[role] = reading
        elif reading is not None and not feeds and not readings and is_recognised(reading, profile):
            if reading.missing:
                incomplete.append(reading)
            else:
                readings[role] = reading
    return readings, incomplete


def _listed(profile: FileProfile) -> str:
    return ", ".join(column.physical_name for column in profile.columns)


def _claimed(proposals: Sequence[Proposal], reading: RoleReading) -> tuple[Proposal, ...]:
    """The proposals with the columns of a role taken out of what they would be in a list of people."""
    return tuple(_claim(proposal, reading) for proposal in proposals)


def _claim(proposal: Proposal, reading: RoleReading) -> Proposal:
    attribute = reading.used.get(proposal.column.position)
    if reading.role == "customer_events":
        semantic = _EVENT_IDENTIFIERS.get(attribute or "")
        if semantic is not None:
            return Proposal(proposal.column, semantic, "sure", f"the {attribute} of an event", 1.0)
        if attribute is None and not _is_of_person(proposal):
            return Proposal(proposal.column, None, "none", proposal.column.type_evidence)
    if attribute is None or proposal.semantic in _KEPT_TIMES:
        return proposal
    evidence = f"{attribute.replace('_', ' ')} of {reading.role.replace('_', ' ')}, by its name and its values"
    return Proposal(proposal.column, f"{reading.role}.{attribute}", "sure", evidence, 1.0)


def _is_of_person(proposal: Proposal) -> bool:
    """A page and a product have names too: in events a name counts only where its values are names of people."""
    if proposal.semantic not in _PERSONAL_OF_EVENTS:
        return False
    return proposal.semantic != "full_name" or ("common given name" in proposal.evidence and proposal.score > 1.2)


def _lists_people(profile: FileProfile, proposals: Sequence[Proposal], table: str) -> bool:
    """Whether each row is another person: answers to consent are then columns of a list of people."""
    emails = [p.column for p in proposals if p.semantic == "email"]
    return any(column.unique for column in (*likely_keys(profile, proposals, table), *emails))


def _version(
    con: duckdb.DuckDBPyConnection, known: Mapping[str, Proposal], rows_of: RoleReading | None, day: date
) -> tuple[ColumnProfile | None, list[str]]:
    """The column that orders versions of a row: when it was last changed, or when an answer was given."""
    version = known["updated_at"].column if "updated_at" in known else None
    if rows_of is not None and rows_of.role == "consent_events":
        version = rows_of.columns.get("occurred_at", version)
    elif rows_of is not None:
        version = rows_of.columns.get("updated_at") if rows_of.role == "support_tickets" else None
    if version is None or (rows_of is not None and epoch_unit(version) is not None):
        return None, []
    return usable_version(con, version, day)


def _is_moment(column: ColumnProfile, readings: Mapping[str, RoleReading]) -> bool:
    return any(column in reading.times.values() for reading in readings.values())


def _is_timed(column: ColumnProfile) -> bool:
    """Whether the column holds moments rather than days."""
    return column.type == "timestamp" or (column.dates is not None and column.dates.kind == "timestamp")


def _names_people(column: ColumnProfile, keys: Keys, readings: Mapping[str, RoleReading]) -> bool:
    events = readings.get("customer_events")
    return column == keys.record or (events is not None and column == events.columns.get("user"))


# --- Roles ---------------------------------------------------------------------------------------------------------


def _holds_orders(known: Mapping[str, Proposal]) -> bool:
    """An amount, and an order's id or an order's time: a table of customers may hold a total or a last order, not both."""
    return "amount" in known and ("order_id" in known or "ordered_at" in known) and order_time(known) is not None


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


def _roles(
    known: Mapping[str, Proposal],
    keys: Keys,
    readings: Mapping[str, RoleReading],
    wishes: Wishes,
    incomplete: Sequence[RoleReading],
    rows_of: RoleReading | None,
    *,
    orders: bool,
) -> tuple[str, ...]:
    """What the file feeds, in the order of the standard roles.

    Raises ScaffoldError when that is nothing, or --feeds asks for what no column holds.
    """
    personal = any(name in known for name in _PERSONAL)
    roles = set(readings)
    if orders:
        roles.add("orders")
    if wishes.people is None and (personal or (keys.record_kind == "column" and rows_of is None)):
        roles.add("customer_records")
    if not wishes.feeds and not (personal or roles - {"customer_records"}):
        raise ScaffoldError(
            "no column names or reaches a person (a name, an e-mail address, a phone, an address), and there are no orders, "
            "tickets, events or answers of one. If the columns' names are unusual, name them by --map, for example --map "
            "email=COLUMN, rename them in the export, or add the words to orchestration/scaffold/data/vocabulary.yaml; with "
            "--feeds customer_records the source is made all the same."
            + "".join(f" The file looks like {r.role}: {'; '.join(r.missing)}." for r in incomplete)
        )
    identified = any(name in known and known[name].column != keys.record for name in IDENTIFIERS)
    if wishes.feeds:
        roles |= set(wishes.feeds)
        if wishes.people is None and (personal or rows_of is None):
            roles.add("customer_records")
        _refuse_unfed(known, roles, identified=identified)
    elif identified and "customer_records" in roles:
        roles.add("record_identifiers")
    if "consent_events" in roles and "customer_records" not in roles and wishes.people is None:
        raise ScaffoldError(
            "consent_events: nothing in the file says who the answers are of but an id. Say by --people SOURCE of which "
            "source that is the id, and the answers are its people's"
        )
    return tuple(role for role in _ORDERED_ROLES if role in roles)


_ORDERED_ROLES = (
    "customer_records", "record_identifiers", "orders", "consent_events", "support_tickets", "customer_events",
)  # fmt: skip


def _refuse_unfed(known: Mapping[str, Proposal], roles: set[str], *, identified: bool) -> None:
    if "orders" in roles:
        missing = [what for what, there in (
            ("an amount", "amount" in known), ("a date or time of the order", order_time(known) is not None),
        ) if not there]  # fmt: skip
        if missing:
            raise ScaffoldError(f"--feeds orders: no column holds {' or '.join(missing)}")
    if "record_identifiers" in roles and not identified:
        raise ScaffoldError(f"--feeds record_identifiers: no column holds one of {', '.join(IDENTIFIERS)}")
