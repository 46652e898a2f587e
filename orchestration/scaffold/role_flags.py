"""What a person has to check of consent, tickets and events.

Belongs here: the sentences. Words of states and purposes are quoted where they are few and plain, because an unknown word
that is not shown cannot be checked; no other value of the file is.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestration.scaffold.profile import ColumnProfile
from orchestration.scaffold.role_columns import RoleReading, epoch_unit, is_zoned
from orchestration.scaffold.role_words import role_words
from orchestration.scaffold.vocabulary import vocabulary

if TYPE_CHECKING:
    from orchestration.scaffold.plan import SourcePlan

_MOST_SHOWN = 8
_PLAIN = re.compile(r"^[^\W\d][\w /&+.-]{0,39}$")


def incomplete_flags(incomplete: Sequence[RoleReading], source: str) -> list[str]:
    """What to say of a role that the file could feed if more were known."""
    return [
        f"this looks like {reading.role} too, which it does not feed: {'; '.join(reading.missing)}. Take the source away "
        f"(kindred source remove {source} --yes --with-landing) and add it again with that"
        for reading in incomplete
    ]


def role_flags(plan: "SourcePlan") -> list[str]:
    """What to check of the roles that the file feeds."""
    flags = _zone_flags(plan)
    for reading in plan.readings.values():
        match reading.role:
            case "consent_events":
                flags += _consent_flags(reading)
            case "support_tickets":
                flags += _ticket_flags(reading)
            case "customer_events":
                flags += _event_flags(plan, reading)
    if plan.people is not None:
        flags.append(
            f"its ids are taken for ids of {plan.people}: the rows belong to that source's people, and to nobody where it has "
            "no such id"
        )
    elif plan.readings and "customer_records" not in plan.feeds:
        flags.append(
            "nothing in the file says who its ids are (a name, an e-mail address, a phone): the rows stand without a "
            "customer. If the ids are those of another source, take it away and add it again with --people SOURCE"
        )
    return flags


def shown_words(column: ColumnProfile, kind: str) -> tuple[int, str]:
    """How many different values of a column are in no list of the kind, and those that may be shown, quoted."""
    unknown = sorted({value.strip() for value, _ in column.sample if role_words().meaning(kind, value) is None})
    shown = [value for value in unknown if _PLAIN.match(value)] if column.distinct <= 30 else []
    more = "" if len(shown) <= _MOST_SHOWN else ", ..."
    return len(unknown), ", ".join(repr(value) for value in shown[:_MOST_SHOWN]) + more


def _zone_flags(plan: "SourcePlan") -> list[str]:
    columns = [
        column
        for column in plan.columns
        if any(column.profile in reading.times.values() for reading in plan.readings.values())
    ]
    local = [
        f"`{column.profile.physical_name}`"
        for column in columns
        if column.zone is None
        and not is_zoned(column.profile)
        and (column.profile.type == "timestamp" or (column.profile.dates and column.profile.dates.kind == "timestamp"))
    ]
    flags = []
    if local:
        flags.append(
            f"{', '.join(local)}: the times say no zone and are taken for UTC. If they are local, add the source again with "
            "--timezone, for example --timezone Europe/Berlin"
        )
    counted = [f"`{c.profile.physical_name}`" for c in columns if epoch_unit(c.profile) is not None]
    if counted:
        flags.append(f"{', '.join(counted)}: numbers that are taken for times since 1970 in UTC")
    return flags


def _consent_flags(reading: RoleReading) -> list[str]:
    flags = []
    for answer in reading.answers:
        name = answer.column.physical_name
        about = " by ".join(
            f"`{one.physical_name}`" if isinstance(one, ColumnProfile) else one
            for one in (answer.purpose, answer.channel)
        )
        how = "yes in it is a withdrawal, no is no answer" if answer.refusing else "only known words of consent grant"
        flags.append(f"`{name}` is taken for the answer on {about}: {how}")
        unknown, words = shown_words(answer.column, "answers")
        if unknown and not answer.refusing:
            told = f" ({words})" if words else ""
            flags.append(
                f"`{name}`: {unknown} of its words{told} are unknown and count as withdrawn. Where one grants, add it to "
                "orchestration/scaffold/data/roles.yaml and add the source again"
            )
        none = sorted({v.strip() for v, _ in answer.column.sample if role_words().meaning("answers", v) == "none"})
        if none and not answer.refusing:
            flags.append(f"`{name}`: {', '.join(map(repr, none))} is no answer: neither granted nor withdrawn")
    for attribute, kind in (("purpose", "purposes"), ("channel", "channels")):
        column = reading.columns.get(attribute)
        if column is not None:
            unknown, words = shown_words(column, kind)
            if unknown:
                told = f" ({words})" if words else ""
                flags.append(
                    f"`{column.physical_name}`: {unknown} of its {kind}{told} are unknown and keep their own names, which no "
                    "model of Kindred's serves"
                )
    if not reading.columns.keys() & {"occurred_at", "granted_at", "withdrawn_at"}:
        flags.append("no column tells when an answer was given: the landing day stands for it")
    if "legal_basis" not in reading.columns and "legal_basis" not in reading.constants:
        flags.append("no column tells the legal basis: consent stands for it; --set legal_basis=... says another")
    return flags


def _ticket_flags(reading: RoleReading) -> list[str]:
    flags = []
    for attribute, kind, otherwise in (
        ("status", "ticket_status", "count as open"),
        ("channel", "ticket_channel", "keep their own names"),
    ):
        column = reading.columns.get(attribute)
        if column is None:
            if attribute == "channel":
                flags.append("no column tells the channel of tickets: all count as `other`")
            continue
        unknown, words = shown_words(column, kind)
        if unknown:
            told = f" ({words})" if words else ""
            flags.append(f"`{column.physical_name}`: {unknown} of its words{told} are unknown and {otherwise}")
    if "updated_at" not in reading.columns:
        flags.append("no column tells when a ticket was last changed: of its versions the one that landed last counts")
    return flags


def _event_flags(plan: "SourcePlan", reading: RoleReading) -> list[str]:
    flags = []
    if "id" not in reading.columns:
        flags.append("no column holds an id of the event: equal rows are one event")
    if "platform" not in reading.columns:
        flags.append("no column tells app from web: all events count as web")
    if "amount" in reading.columns and not currency_known(reading):
        flags.append(
            f"`{reading.columns['amount'].physical_name}`: no column tells the currency, so that amounts are left out; "
            "--set currency=EUR says it for all"
        )
    if plan.profile.file.format == "jsonl":
        flags.append(
            "keys that later files add to events are left out rather than stopping the run (driftPolicy ignore)"
        )
    return flags


def currency_known(reading: RoleReading) -> bool:
    """Whether amounts of events have a currency."""
    column = reading.columns.get("currency")
    if "currency" in reading.constants:
        return True
    return column is not None and all(value.strip().upper() in vocabulary().currencies for value, _ in column.sample)
