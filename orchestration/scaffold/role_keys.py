"""Who the rows of consent, tickets and events are about, and what tells these rows apart.

Belongs here: keys of files in which a row is an observation of a person rather than the person. Does not belong here: keys
of lists of people and of orders (see `keys`).
"""

from collections.abc import Sequence

import duckdb

from orchestration.scaffold.errors import ScaffoldError
from orchestration.scaffold.files import FILE_TABLE
from orchestration.scaffold.keys import Keys, given_key, likely_keys
from orchestration.scaffold.profile import ColumnProfile, FileProfile
from orchestration.scaffold.role_columns import RoleReading
from orchestration.scaffold.semantics import Proposal, by_semantic


def choose_role_keys(
    con: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    proposals: Sequence[Proposal],
    version: ColumnProfile | None,
    table: str,
    reading: RoleReading,
    given: str | None,
) -> Keys:
    """The keys of a file of tickets, of events, or of answers of which a person has several.

    `given` is the column that the user named: it tells whose the rows are, except in events, where it tells them apart.

    Raises ScaffoldError when nothing says whose the rows are, or `given` is no column.
    """
    chosen = given_key(profile, given)
    identity = chosen if reading.role == "customer_events" and chosen is not None else reading.columns.get("id")
    columns, reason, flags = _row(con, profile, identity, version, reading)
    known = by_semantic(proposals)
    if reading.role == "customer_events":
        if not reading.columns.keys() & {"user", "visitor"} and "email" not in known:
            raise ScaffoldError(
                "customer_events: no column says who did it. Name the id of the signed-in user with --map user=COLUMN, that "
                "of the browser or app with --map visitor=COLUMN, or the e-mail address with --map email=COLUMN"
            )
        return Keys(columns, reason, None, "visitor", flags)
    person = chosen or reading.columns.get("requester") or _person(profile, proposals, table, reading)
    if person is not None and person != known.get("email", Proposal(person, None, "none", "")).column:
        return Keys(columns, reason, person, "column", flags)
    if "email" in known:
        flag = "no column holds an id of the person: the e-mail address stands for it, in lower case"
        return Keys(columns, reason, known["email"].column, "email", (*flags, flag))
    raise ScaffoldError(
        f"{reading.role}: no column says whose it is. Name the column with an id of the person by --key COLUMN, or the e-mail "
        "address by --map email=COLUMN"
    )


def _person(
    profile: FileProfile, proposals: Sequence[Proposal], table: str, reading: RoleReading
) -> ColumnProfile | None:
    """A column named like a key of people, filled in most rows; not the ticket's or the answer's own."""
    for column in likely_keys(profile, proposals, table):
        own = column.position not in reading.used and proposals[column.position].semantic != "email"
        if own and column.fill >= 0.5 and (column.distinct < column.rows or not reading.columns.get("id")):
            return column
    return None


def _row(
    con: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    identity: ColumnProfile | None,
    version: ColumnProfile | None,
    reading: RoleReading,
) -> tuple[tuple[ColumnProfile, ...], str, tuple[str, ...]]:
    what = {"support_tickets": "ticket", "customer_events": "event", "consent_events": "answer"}[reading.role]
    if identity is None:
        return (), f"the whole row, for there is no id of the {what}", ()
    if identity.unique:
        return (identity,), f"a value of its own in each of the {profile.rows:,} rows", ()
    if identity.filled == identity.rows and version is not None and _differ(con, identity, version, profile.rows):
        return (identity,), f"with `{version.physical_name}`, of which each version of a {what} has its own", ()
    flag = (
        f"`{identity.physical_name}` repeats ({identity.distinct:,} values in {profile.rows:,} rows): of the rows of one "
        f"{what} the last counts"
    )
    return (), f"the whole row, for the id of the {what} repeats", (flag,)


def _differ(con: duckdb.DuckDBPyConnection, identity: ColumnProfile, version: ColumnProfile, rows: int) -> bool:
    query = f"select count(*) from (select distinct {identity.column}, {version.column} from {FILE_TABLE})"
    return bool(con.execute(query).fetchall()[0][0] == rows)
