"""The closure of a person: everything that is held of them, found from an e-mail address, a customer or a record.

Belongs here: finding the customer through redirects, its records, the landed rows behind them, and the browsers that only
they used. Access and erasure both start from this one function, so that what is shown is what is removed. Does not
belong here: what is done with it, and the values by which leftovers are searched (see `traces`).

Rules, in their order
- A customer's records are those of `resolution.memberships`; earlier ids of the customer belong to it.
- A landed row belongs to a person when it carries one of their record ids and none of another customer.
- A browser (anonymous id) in which nobody else signed in belongs to the person, and so does what it did unnamed.
- What was done unnamed in any other browser belongs to the customer whom stitching gave it to.
- A row that made no record (it was quarantined) belongs to the person when it carries an e-mail address, phone or national
  id that the person and no other customer has, or is a broken line with one of their ids or addresses in it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from orchestration.privacy.errors import AmbiguousPersonError, Candidate, PrivacyError, UnknownPersonError
from orchestration.privacy.links import (
    Reader,
    TableLinks,
    email_form,
    json_reader,
    known_by,
    national_form,
    phone_form,
    raw_reader,
    table_links,
)
from orchestration.privacy.relations import (
    CLOSURE_TABLES,
    CUSTOMERS,
    EVENTS,
    PLACES,
    RECORDS,
    STITCHED,
    VISITORS,
    relation,
    relations,
)
from orchestration.sources.contract import Contract

if TYPE_CHECKING:
    import duckdb

MEMBERSHIPS = "resolution.memberships"
STANDARD = "cleansing.standardised_records"
IDENTIFIERS = "integration.int_record_identifiers"
CUSTOMER_EVENTS = "integration.int_customer_events"
STITCHES = "cleansing.identity_stitches"
CUSTOMER_IDS = "resolution.customer_ids"
REDIRECTS = "marts.customer_id_redirects"
_IDENTIFIERS, _GIVEN = "erased_identifiers", "erased_given"
_OWN_TABLES = {
    _IDENTIFIERS: "kind varchar, value varchar, person integer",
    _GIVEN: "number integer, kind varchar, value varchar",
}
# Of the records that a row names: one is another customer's; any is known, so that the row is its customer's.
_FOREIGN = f"memberships.customer_id not in (select customer_id from {CUSTOMERS})"
_RESOLVED = "true"


@dataclass(frozen=True)
class Selector:
    """One person as an officer names them."""

    kind: Literal["email", "customer", "record"]
    value: str

    def __str__(self) -> str:
        return {"email": "e-mail address", "customer": "customer", "record": "record"}[self.kind] + f" {self.value!r}"


@dataclass(frozen=True)
class Place:
    """Where a row landed."""

    table: str
    load_date: date
    file: str
    row: int


@dataclass(frozen=True)
class Person:
    """What belongs to one person."""

    number: int
    customers: tuple[str, ...]
    records: tuple[str, ...]
    visitors: tuple[str, ...]
    places: tuple[Place, ...]
    stitched: tuple[str, ...] = ()
    """Ids of events that are theirs by stitching alone, in browsers that are not only theirs."""


@dataclass(frozen=True)
class Closure:
    """What belongs to the people of a request."""

    people: tuple[Person, ...]
    events: tuple[tuple[str, int], ...] = field(default=())
    """Keys of events, orders and tickets with the person's number: later gates know a row by its key alone."""

    @property
    def customers(self) -> set[str]:
        """Ids of customers, earlier ones included."""
        return {customer for person in self.people for customer in person.customers}

    @property
    def records(self) -> set[str]:
        """Ids of records."""
        return {record for person in self.people for record in person.records}

    @property
    def places(self) -> list[Place]:
        """The landed rows of all."""
        return [place for person in self.people for place in person.places]

    def counts(self) -> dict[str, int]:
        """Landed rows per table."""
        return dict(sorted(Counter(place.table for place in self.places).items()))


def find_closure(
    con: "duckdb.DuckDBPyConnection", contracts: Sequence[Contract], selectors: Sequence[Selector]
) -> Closure:
    """Everything that belongs to the people named, and leave it in the temporary tables of `relations` too.

    Raises:
        UnknownPersonError: nothing is held under a selector.
        AmbiguousPersonError: an e-mail address belongs to several customers.
    """
    _require_run(con)
    links = table_links(contracts)
    _make_tables(con, {**CLOSURE_TABLES, **_OWN_TABLES})
    bare: list[tuple[int, Selector]] = []
    seen: dict[str, int] = {}
    for selector, customer in zip(selectors, _customers_of(con, selectors), strict=True):
        if customer is None:
            bare.append((len(seen) + len(bare), selector))
        elif customer not in seen:
            seen[customer] = len(seen) + len(bare)
    _fill(con, CUSTOMERS, list(seen.items()))
    _add_records(con)
    _add_earlier_ids(con)
    _add_identifiers(con, bare)
    _add_visitors(con)
    _add_stitched(con)
    _add_places(con, links)
    for number, selector in bare:
        if not con.execute(f"select count(*) from {PLACES} where person = ?", [number]).fetchall()[0][0]:
            raise UnknownPersonError(_unknown(selector))
    _add_events(con)
    con.execute(f"drop table {_IDENTIFIERS}")
    return _read(con, len(seen) + len(bare))


def load_closure(con: "duckdb.DuckDBPyConnection", closure: Closure) -> None:
    """Put a closure that was found before into the temporary tables."""
    _make_tables(con)
    people = closure.people
    _fill(con, CUSTOMERS, [(value, person.number) for person in people for value in person.customers])
    _fill(con, RECORDS, [(value, person.number) for person in people for value in person.records])
    _fill(con, VISITORS, [(value, person.number) for person in people for value in person.visitors])
    _fill(con, STITCHED, [(value, person.number) for person in people for value in person.stitched])
    _fill(
        con,
        PLACES,
        [(p.table, p.load_date, p.file, p.row, person.number) for person in people for p in person.places],
    )
    _fill(con, EVENTS, list(closure.events))


def _unknown(selector: Selector) -> str:
    return (
        f"nothing is held under the {selector}: no customer, no record and no row in quarantine. Check the spelling, or "
        "name the person by --customer or --record; rows of days that have not run are not looked at."
    )


def _require_run(con: "duckdb.DuckDBPyConnection") -> None:
    if relation(con, MEMBERSHIPS) is None or relation(con, STANDARD) is None:
        raise PrivacyError(
            "no day has been run in this data folder, so no person is known yet. Run `kindred run` first."
        )


def _make_tables(con: "duckdb.DuckDBPyConnection", tables: Mapping[str, str] = CLOSURE_TABLES) -> None:
    for name, columns in tables.items():
        con.execute(f"create or replace temp table {name} ({columns})")


def _fill(con: "duckdb.DuckDBPyConnection", table: str, rows: Sequence[Sequence[Any]]) -> None:
    """Insert many small rows at once; Arrow rather than a statement for each."""
    if not rows:
        return
    import pyarrow as pa

    names = [item.split()[0] for item in {**CLOSURE_TABLES, **_OWN_TABLES}[table].split(", ")]
    columns = list(zip(*rows, strict=True))
    con.register("closure_rows", pa.table({name: list(values) for name, values in zip(names, columns, strict=True)}))
    con.execute(f"insert into {table} by name select * from closure_rows")
    con.unregister("closure_rows")


def _customers_of(con: "duckdb.DuckDBPyConnection", selectors: Sequence[Selector]) -> list[str | None]:
    """The one living customer that each selector means; None when only rows without a customer may be meant."""
    _fill(con, _GIVEN, [(number, item.kind, item.value.strip()) for number, item in enumerate(selectors)])
    redirects = relation(con, REDIRECTS) is not None
    rows = con.execute(
        f"""
        with living as (
            select given.number, coalesce(redirects.current_customer_id, given.value) as customer_id
            from {_GIVEN} as given
            left join {REDIRECTS if redirects else "(select null as customer_id, null as current_customer_id)"} as redirects
                on given.value = redirects.customer_id
            where given.kind = 'customer'
        ),
        named as (
            select number, value as record_id from {_GIVEN} where kind = 'record'
            union
            select given.number, standard.record_id
            from {_GIVEN} as given
            inner join {STANDARD} as standard on {email_form("given.value")} = standard.email
            where given.kind = 'email'
        ),
        meant as (
            select * from living
            union
            select named.number, memberships.customer_id from named inner join {MEMBERSHIPS} as memberships using (record_id)
        ),
        sizes as (
            select customer_id, count(*) as records
            from {MEMBERSHIPS}
            where customer_id in (select customer_id from meant)
            group by customer_id
        )
        select meant.number, customer_id, sizes.records
        from meant
        inner join sizes using (customer_id)
        order by all
        """
    ).fetchall()
    con.execute(f"drop table {_GIVEN}")
    met: dict[int, list[tuple[str, int]]] = {}
    for number, customer, records in rows:
        met.setdefault(number, []).append((customer, records))
    for number, selector in enumerate(selectors):
        found = met.get(number, [])
        if len(found) > 1:
            raise AmbiguousPersonError(f"The {selector}", [_candidate(con, *customer) for customer in found])
        if not found and selector.kind != "email":
            raise UnknownPersonError(_unknown(selector))
    return [met[number][0][0] if number in met else None for number in range(len(selectors))]


def _email(con: "duckdb.DuckDBPyConnection", text: str) -> str | None:
    return con.execute(f"select {email_form('given')} from (select ?::varchar as given)", [text]).fetchall()[0][0]


def _candidate(con: "duckdb.DuckDBPyConnection", customer: str, records: int) -> Candidate:
    sources = con.execute(
        f"select distinct split_part(record_id, ':', 1) from {MEMBERSHIPS} where customer_id = ? order by 1", [customer]
    ).fetchall()
    return Candidate(customer, records, tuple(source for (source,) in sources))


def _add_records(con: "duckdb.DuckDBPyConnection") -> None:
    con.execute(
        f"""
        insert into {RECORDS}
        select memberships.record_id, people.person
        from {MEMBERSHIPS} as memberships
        inner join {CUSTOMERS} as people using (customer_id)
        """
    )


def _add_earlier_ids(con: "duckdb.DuckDBPyConnection") -> None:
    # The redirects are of the last run that built the marts, the ids of the last that resolved.
    for table in (CUSTOMER_IDS, "resolution.accepted_customer_ids", REDIRECTS):
        if relation(con, table) is not None:
            con.execute(
                f"""
                insert into {CUSTOMERS}
                select earlier.customer_id, min(people.person)
                from {table} as earlier
                inner join {CUSTOMERS} as people on earlier.current_customer_id = people.customer_id
                where earlier.customer_id not in (select customer_id from {CUSTOMERS})
                group by earlier.customer_id
                """
            )


def _add_identifiers(con: "duckdb.DuckDBPyConnection", bare: Sequence[tuple[int, Selector]]) -> None:
    """What only these people are known by."""
    for kind, form in (("email", email_form), ("phone", phone_form), ("national_id", national_form)):
        # Theirs first, which are few: everybody's grouped by value would be as many groups as there are people.
        con.execute(
            f"""
            insert into {_IDENTIFIERS}
            with mine as (
                select {form(kind)} as value, min(person) as person
                from {STANDARD}
                inner join {RECORDS} using (record_id)
                group by all
                having value is not null
            ),
            held as (
                select record_id, {form(kind)} as value from {STANDARD} where {kind} is not null
            )
            select '{kind}', mine.value, mine.person
            from held
            inner join mine using (value)
            inner join {MEMBERSHIPS} as memberships using (record_id)
            group by all
            having count(distinct memberships.customer_id) = 1
            """
        )
    _fill(con, _IDENTIFIERS, [("email", _email(con, selector.value), number) for number, selector in bare])


def _add_visitors(con: "duckdb.DuckDBPyConnection") -> None:
    # Whoever signed in there counts as somebody, also when no record of that account ever came.
    sources = [
        f"select {column} as anonymous_id, record_id from {table} where {condition}"
        for table, column, condition in (
            (IDENTIFIERS, "identifier", "identifier_type = 'anonymous_id'"),
            (CUSTOMER_EVENTS, "anonymous_id", "anonymous_id is not null and record_id is not null"),
        )
        if relation(con, table) is not None
    ]
    if sources:
        con.execute(
            f"""
            insert into {VISITORS}
            with seen as ({" union all ".join(sources)}),
            signed_in as (
                select distinct anonymous_id, record_id
                from seen
                where anonymous_id in (select anonymous_id from seen semi join {RECORDS} using (record_id))
            )
            select signed_in.anonymous_id, min(mine.person)
            from signed_in
            left join {RECORDS} as mine using (record_id)
            group by signed_in.anonymous_id
            having count(mine.person) = count(*)
            """
        )


def _add_stitched(con: "duckdb.DuckDBPyConnection") -> None:
    if relation(con, STITCHES) is not None:
        con.execute(
            f"""
            insert into {STITCHED}
            select stitches.event_id, people.person
            from {STITCHES} as stitches
            inner join {CUSTOMERS} as people using (customer_id)
            where stitches.anonymous_id not in (select anonymous_id from {VISITORS})
            """
        )


def _add_places(con: "duckdb.DuckDBPyConnection", links: Sequence[TableLinks]) -> None:
    con.execute("create or replace temp table found_places as from erased_places limit 0")
    present = {item.label for item in relations(con)}
    known = _known(con)
    for link in links:
        if f"raw.{link.name}" in present:
            _match(con, link, f"raw.{link.name}", "_load_date", "_file", "_row", raw_reader("arrived"), "true")
        if f"quarantine.{link.name}" in present:
            where = "arrived.file is not null"
            reader = json_reader("arrived.record")
            _match(con, link, f"quarantine.{link.name}", "load_date", "file", "row_number", reader, where)
            _match_broken_lines(con, link, known)
    con.execute(
        f"""
        insert into {PLACES}
        select table_name, load_date, file, row_number, min(person) from found_places group by all order by all
        """
    )
    con.execute("drop table found_places")


def _match(
    con: "duckdb.DuckDBPyConnection",
    link: TableLinks,
    table: str,
    day: str,
    file: str,
    row: str,
    read: Reader,
    where: str,
) -> None:
    ids = link.record_ids(read)
    ways = [(value, f"select record_id as value, person from {RECORDS}", _FOREIGN) for value in ids]
    ways += [
        (value, f"select anonymous_id as value, person from {VISITORS}", _FOREIGN) for value in link.visitors(read)
    ]
    ways += [(value, f"select event_id as value, person from {STITCHED}", _FOREIGN) for value in link.event_ids(read)]
    ways += [
        (value, f"select value, person from {_IDENTIFIERS} where kind = '{kind}'", _RESOLVED)
        for kind, value in link.identifiers(read)
    ]
    for value, people, unless in ways:
        # First the few rows that are met at all: to ask of each row arrived whom its ids belong to would be to compare
        # all rows with all records.
        con.execute(
            f"""
            create or replace temp table met_rows as
            select
                arrived.{day} as load_date, arrived.{file} as file, arrived.{row} as row_number, people.person,
                [{", ".join(ids)}]::varchar[] as ids
            from {table} as arrived
            inner join ({people}) as people on {value} = people.value
            where {where}
            """
        )
        con.execute(
            f"""
            insert into found_places
            with named as (select rowid as place, unnest(ids) as record_id from met_rows)
            select '{link.name}', met_rows.load_date, met_rows.file, met_rows.row_number, met_rows.person
            from met_rows
            where met_rows.rowid not in (
                select named.place
                from named
                inner join {MEMBERSHIPS} as memberships using (record_id)
                where {unless}
            )
            """
        )
    con.execute("drop table if exists met_rows")


def _match_broken_lines(
    con: "duckdb.DuckDBPyConnection", link: TableLinks, known: Mapping[tuple[str, str], int]
) -> None:
    """Lines that no reader understood: the person's when one of their ids or addresses stands in them."""
    lines = con.execute(
        f"""
        select load_date, file, row_number, record ->> 'line' as line
        from quarantine."{link.name}"
        where (record ->> 'line') is not null and file is not null
        """
    ).fetchall()
    for load_date, file, row, line in lines:
        whose = {known[name] for name in known_by(line, link.table.source) if name in known}
        if whose:
            con.execute(
                "insert into found_places values (?, ?, ?, ?, ?)", [link.name, load_date, file, row, min(whose)]
            )


def _known(con: "duckdb.DuckDBPyConnection") -> dict[tuple[str, str], int]:
    """What only these people are known by, with whose it is: (kind, value) as in `links.known_by`."""
    queries = [
        f"select kind, value, person from {_IDENTIFIERS} where value is not null",
        f"select 'record', record_id, person from {RECORDS}",
        f"select 'visitor', anonymous_id, person from {VISITORS}",
        f"select 'event', event_id, person from {STITCHED}",
    ]
    if relation(con, IDENTIFIERS) is not None:
        queries += [
            f"""
            select '{kind}', identifier, min(mine.person)
            from {IDENTIFIERS} as identifiers
            left join {RECORDS} as mine using (record_id)
            where identifier_type = '{identifier_type}'
            group by identifier
            having bool_and(mine.person is not null)
            """
            for kind, identifier_type in (("user", "user_id"), ("loyalty", "loyalty_number"))
        ]
    return {(kind, value): person for query in queries for kind, value, person in con.execute(query).fetchall()}


def _add_events(con: "duckdb.DuckDBPyConnection") -> None:
    keys = {
        CUSTOMER_EVENTS: "event_id",
        "integration.int_orders": "order_id",
        "integration.int_support_tickets": "ticket_id",
        "integration.int_consent_events": "consent_event_id",
    }
    for table, key in keys.items():
        found = relation(con, table)
        condition = found.condition("held") if found else None
        if condition:
            con.execute(f"insert into {EVENTS} select held.{key}, 0 from {table} as held where {condition}")


def _read(con: "duckdb.DuckDBPyConnection", people: int) -> Closure:
    def of(table: str, column: str) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for value, person in con.execute(f"select distinct {column}, person from {table} order by all").fetchall():
            found.setdefault(person, []).append(value)
        return found

    customers, records = of(CUSTOMERS, "customer_id"), of(RECORDS, "record_id")
    visitors, stitched = of(VISITORS, "anonymous_id"), of(STITCHED, "event_id")
    places: dict[int, list[Place]] = {}
    for table, day, file, row, person in con.execute(f"from {PLACES} order by all").fetchall():
        places.setdefault(person, []).append(Place(table, day, file, row))
    return Closure(
        people=tuple(
            Person(
                number,
                tuple(customers.get(number, ())),
                tuple(records.get(number, ())),
                tuple(visitors.get(number, ())),
                tuple(places.get(number, ())),
                tuple(stitched.get(number, ())),
            )
            for number in range(people)
        ),
        events=tuple(con.execute(f"select key, person from {EVENTS} order by all").fetchall()),
    )
