"""What a person has to check before they trust a new source: every choice that the file did not settle.

Belongs here: the sentences. Does not belong here: the choices (see `plan`), and those of consent, tickets and events
(`role_flags`).
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import duckdb

from orchestration.scaffold.columns import TIMES, PlannedColumn
from orchestration.scaffold.files import FILE_TABLE
from orchestration.scaffold.profile import ColumnProfile
from orchestration.scaffold.semantics import Proposal
from orchestration.sources.contract import Delivery, strptime_format
from orchestration.sources.names import literal

# A version dated later than this past its landing day is held back by the gates.
CLOCK_TOLERANCE = timedelta(days=2)


def order_time(known: Mapping[str, Proposal]) -> Proposal | None:
    """The column that tells when an order was placed."""
    return known.get("ordered_at") or known.get("created_at") or known.get("updated_at")


def usable_version(
    con: duckdb.DuckDBPyConnection, column: ColumnProfile, day: date
) -> tuple[ColumnProfile | None, list[str]]:
    """The version column, unless gates would hold its rows back or it cannot be typed."""
    latest = _latest(con, column)
    if column.type not in ("date", "timestamp"):
        return None, [f"`{column.physical_name}` does not read as a time in every row: it orders no versions"]
    if latest is not None and latest >= day + CLOCK_TOLERANCE:
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


def column_flags(columns: Sequence[PlannedColumn]) -> list[str]:
    """What to check of each column."""
    flags = []
    for column in columns:
        name, dates = column.profile.physical_name, column.profile.dates
        if column.proposal.flag:
            flags.append(f"`{name}`: {column.proposal.flag}")
        if dates is not None and dates.ambiguous:
            flags.append(f"`{name}`: {dates.evidence}. Change the format in the contract if that is wrong")
        if dates is not None and not dates.whole and column.proposal.semantic in ("birth_date", *TIMES):
            unread = round((1 - dates.share) * column.profile.filled)
            flags.append(
                f"`{name}`: stays text in raw; the staging model reads {dates.evidence}; {unread:,} others become null"
            )
        if dates is not None and dates.short_years:
            flags.append(f"`{name}`: years of two digits; a birth date in the future is taken a century back")
    return flags


def whole_flags(
    con: duckdb.DuckDBPyConnection,
    known: Mapping[str, Proposal],
    roles: Sequence[str],
    day: date,
    delivery: Delivery | None,
    version: ColumnProfile | None,
) -> list[str]:
    """What to check of the file as a whole."""
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
    observed = {"orders", "support_tickets", "customer_events"} & set(roles)
    if version is None and not observed and delivery != "snapshot":
        flags.append("no column tells when a row was last changed: the landing day stands for it")
    if "orders" in roles:
        flags += _order_flags(con, known, day)
    return flags


def _order_flags(con: duckdb.DuckDBPyConnection, known: Mapping[str, Proposal], day: date) -> list[str]:
    from orchestration.scaffold.staging_orders import currency_sign, unknown_words

    flags = []
    when = order_time(known)
    assert when is not None
    if "ordered_at" not in known:
        flags.append(f"`{when.column.physical_name}` is taken for the time of the order")
    latest = _latest(con, when.column)
    if latest is not None and latest >= day + CLOCK_TOLERANCE:
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
