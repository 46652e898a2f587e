"""Retention: rows that a contract says have been kept long enough, removed by the machinery of erasure.

Belongs here: what has expired on a day, and asking for its removal. Does not belong here: how rows are removed
(`erasure.py`), and the periods (the contracts, `slaProperties.retention`).

A row expires when its load date lies further back than the contract's retention, counted from the newest load date that
was loaded, not from the clock: the same landing gives the same answer on any day, and a company that stops sending does
not lose its history by standing still. A source that delivers snapshots proves with each that a row is still kept, so only
rows of older snapshots go. A person of whom nothing is left but expired rows leaves every table with them; a person who
is still known through other rows stays, and what is known of them is computed anew by the next run.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from orchestration.ledger.store import Ledger
from orchestration.privacy import erasure
from orchestration.privacy.closure import MEMBERSHIPS, Closure, Person, Place, load_closure
from orchestration.privacy.errors import PrivacyError
from orchestration.privacy.links import raw_reader, table_links
from orchestration.privacy.open_request import OpenRequest
from orchestration.privacy.relations import CUSTOMERS, PLACES, RECORDS, relations
from orchestration.privacy.traces import Traces, collect_traces

if TYPE_CHECKING:
    import duckdb

    from orchestration.privacy.erasure import Done, OnStep, Republish
    from orchestration.project import Project

_PERIOD = re.compile(r"(\d+)\s*(d|day|days|w|week|weeks|m|month|months|y|year|years)")
_UNITS = {"d": "day", "w": "week", "m": "month", "y": "year"}


@dataclass(frozen=True)
class Expired:
    """The rows of one table that have been kept long enough."""

    table: str
    """With its schema: `raw.crm__contacts`."""
    retention: str
    """As the contract says it: `5y`."""
    before: date
    """Rows of earlier load dates have expired."""
    rows: int


def expires_before(retention: str, as_of: date) -> date:
    """The first load date that is still kept. Raises PrivacyError for a period that is not understood."""
    import duckdb

    match = _PERIOD.fullmatch(retention.strip().lower())
    if match is None:
        raise PrivacyError(
            f"the retention {retention!r} is not understood; write it as 90 d, 18 m or 5 y in the contract"
        )
    unit = _UNITS[match[2][0]]
    with duckdb.connect() as con:
        return con.execute(f"select (?::date - interval '{int(match[1])} {unit}')::date", [as_of]).fetchall()[0][0]


def find_expired(project: "Project", as_of: date | None = None) -> list[Expired]:
    """What has expired, by table; nothing is changed.

    Raises PrivacyError for a period that is not understood, WarehouseLockedError when a run is going on.
    """
    with project.exclusive(), project.warehouse() as con:
        return _expired(project, con, as_of)


def remove_expired(
    project: "Project", as_of: date | None, republish: "Republish", on_step: "OnStep" = lambda _: None
) -> "Done | None":
    """Remove what has expired, in recorded steps with a certificate; None when nothing has.

    Raises as `erasure.erase` does.
    """
    erasure.refuse_while_open(project)
    with project.exclusive(), project.warehouse() as con:
        expired = _expired(project, con, as_of)
        if not expired:
            return None
        closure = _closure(project, con, expired)
        request = OpenRequest.of(project.settings, f"retention-{datetime.now(UTC):%Y%m%d}-{uuid.uuid4().hex[:8]}")
        erasure.prepare_request(project, con, request, closure, _traces(con, closure))
        erasure.register(Ledger.of(project.settings), request, "retention", len(closure.records), [])
    return erasure.carry_out(project, request, republish, on_step)


def _traces(con: "duckdb.DuckDBPyConnection", closure: Closure) -> Traces:
    """What is searched for afterwards: values of those of whom nothing is left.

    Who stays is derived anew from later rows, and may get from them what an expired row said: a name put together of its
    parts, an address written in another way.
    """
    load_closure(con, Closure((Person(0, tuple(sorted(closure.customers)), (), (), ()),)))
    con.execute(
        f"insert into {RECORDS} select record_id, 0 from {MEMBERSHIPS} "
        f"where customer_id in (select customer_id from {CUSTOMERS})"
    )
    traces = collect_traces(con, closure.customers)
    load_closure(con, closure)
    return traces


def _expired(project: "Project", con: "duckdb.DuckDBPyConnection", as_of: date | None) -> list[Expired]:
    present = {item.label for item in relations(con)}
    if "quality.loads" not in present:
        return []
    day = as_of or con.execute("select max(load_date) from quality.loads").fetchall()[0][0]
    if day is None:
        return []
    found = []
    for contract, table in project.tables:
        label = f"raw.{table.raw_name}"
        if contract.retention is None or label not in present:
            continue
        before = expires_before(contract.retention, day)
        rows = con.execute(f"select count(*) from {label} where _load_date < ?", [before]).fetchall()[0][0]
        held = con.execute(
            f"select count(distinct (file, row_number)) from quarantine.{table.raw_name} where load_date < ?", [before]
        ).fetchall()[0][0]
        if rows + held:
            found.append(Expired(label, contract.retention, before, int(rows + held)))
    return found


def _closure(project: "Project", con: "duckdb.DuckDBPyConnection", expired: Sequence[Expired]) -> Closure:
    """The expired rows, and the records and customers of whom nothing else is left."""
    places: list[Place] = []
    for item in expired:
        name = item.table.removeprefix("raw.")
        rows = con.execute(
            f"""
            select _load_date, _file, _row from {item.table} where _load_date < $before
            union
            select load_date, file, row_number from quarantine.{name} where load_date < $before and file is not null
            order by all
            """,
            {"before": item.before},
        ).fetchall()
        places += [Place(name, *row) for row in rows]
    load_closure(con, Closure((Person(0, (), (), (), tuple(places)),)))
    _records_without_rows(project, con)
    records = [row[0] for row in con.execute(f"select record_id from {RECORDS} order by 1").fetchall()]
    customers = [
        row[0]
        for row in con.execute(
            f"""
            select customer_id
            from {MEMBERSHIPS}
            group by customer_id
            having count(*) = count(*) filter (where record_id in (select record_id from {RECORDS}))
            order by customer_id
            """
        ).fetchall()
    ]
    closure = Closure((Person(0, tuple(customers), tuple(records), (), tuple(places)),))
    load_closure(con, closure)
    return closure


def _records_without_rows(project: "Project", con: "duckdb.DuckDBPyConnection") -> None:
    """Records that only expired rows speak of."""
    con.execute("create or replace temp table spoken_of (record_id varchar, expired boolean)")
    present = {item.label for item in relations(con)}
    for link in table_links(project.contracts):
        if f"raw.{link.name}" not in present:
            continue
        gone = f"select (load_date, file, row_number) from {PLACES} where table_name = '{link.name}'"
        for value in link.record_ids(raw_reader("arrived")):
            con.execute(
                f"""
                insert into spoken_of
                select distinct {value}, (_load_date, _file, _row) in ({gone})
                from raw.{link.name} as arrived
                """
            )
    con.execute(
        f"""
        insert into {RECORDS}
        select record_id, 0
        from spoken_of
        where record_id in (select record_id from {MEMBERSHIPS})
        group by record_id
        having bool_and(expired)
        """
    )
    con.execute("drop table spoken_of")
