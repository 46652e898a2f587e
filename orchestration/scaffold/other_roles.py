"""Roles that the scaffold does not write: consent, events, support tickets. Seen by the columns, and said.

Belongs here: recognising that a file holds one of them, and the way to have it. Does not belong here: the roles that are
written (see `plan`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.scaffold.profile import ColumnProfile, FileProfile


@dataclass(frozen=True)
class _Signs:
    """Words of column names that speak for a role: one of each group has to be there."""

    groups: tuple[frozenset[str], ...]
    model: str
    """The staging model of the sample that shows how."""


# 2026-11: two groups each, so that a `status` or a `channel` alone says nothing. Words are parts of names, in lower case.
_ROLES: dict[str, _Signs] = {
    "consent_events": _Signs(
        (
            frozenset({"consent", "consents", "optin", "opt", "purpose", "einwilligung", "gdpr", "permission"}),
            frozenset({"status", "granted", "withdrawn", "channel", "in", "out", "revoked", "given", "purpose", "at"}),
        ),
        "marketing/stg_marketing__consent_events.sql",
    ),
    "support_tickets": _Signs(
        (
            frozenset({"ticket", "tickets", "case", "incident"}),
            frozenset({"subject", "priority", "status", "topic", "resolved", "opened", "closed", "category", "agent"}),
        ),
        "support/stg_support__support_tickets.sql",
    ),
    "customer_events": _Signs(
        (
            frozenset({"event", "events", "pageview", "page", "action"}),
            frozenset({"type", "name", "timestamp", "anonymous", "session", "url", "properties", "occurred"}),
        ),
        "web/stg_web__customer_events.sql",
    ),
}


def other_roles(profile: FileProfile) -> list[tuple[str, list[ColumnProfile]]]:
    """The roles that the columns speak for and that are not written, each with the columns that say so."""
    found = []
    for role, signs in _ROLES.items():
        named = [[column for column in profile.columns if group & set(column.words)] for group in signs.groups]
        columns = sorted({c.position: c for group in named for c in group}.values(), key=lambda c: c.position)
        # One column cannot speak for a role alone, however many of its words do.
        if all(named) and len(columns) >= len(signs.groups):
            found.append((role, columns))
    return found


def way_to(role: str) -> str:
    """What a person does to have a role that the scaffold does not write."""
    return (
        f"write `stg_<source>__{role}.sql` after dbt_project/models/staging/{_ROLES[role].model} and name {role} under "
        "feeds of the table in the contract"
    )


def flags_of(roles: Sequence[tuple[str, Sequence[ColumnProfile]]]) -> list[str]:
    """What to tell of them: the role, the columns by which it was seen, and the way out."""
    return [
        f"{', '.join(f'`{column.physical_name}`' for column in columns)}: this looks like {role}, which the scaffold does "
        f"not write. The columns stand in raw only; to have them, {way_to(role)}"
        for role, columns in roles
    ]
