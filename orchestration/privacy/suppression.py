"""Keeping an erased person out: which rows of a landed day are theirs, as their tombstone tells.

Belongs here: making tombstones of a closure, comparing landed rows with them, and taking the rows that are held back out of
the landed files. Does not belong here: the hashes' form (`tombstone_keys.py`), their keeping (the ledger), and what a
decision takes (`tombstone_rules.yml`).

A row is held back when it carries a source's own id of the person, or when what it says of the person outweighs what it
says of somebody else. What is held back is counted and never kept.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from orchestration.ledger.store import Ledger
from orchestration.ledger.tombstones import (
    Suppression,
    Tombstone,
    append_suppression,
    append_tombstones,
    living_tombstones,
    read_hashes,
    read_suppressions,
)
from orchestration.privacy.closure import STANDARD, Closure
from orchestration.privacy.errors import LostKeyError
from orchestration.privacy.landing_rows import written_beside
from orchestration.privacy.links import (
    TableLinks,
    email_form,
    known_by,
    national_form,
    phone_form,
    raw_reader,
    table_links,
)
from orchestration.privacy.pseudonyms import TokenKey, token, token_key, token_key_id
from orchestration.privacy.relations import RECORDS, STITCHED, VISITORS, relation
from orchestration.privacy.secret import load_secret
from orchestration.privacy.tombstone_keys import (
    CERTAIN,
    birth_form,
    family_form,
    fields_sql,
    given_form,
    keys_sql,
    postcode_form,
    street_form,
)
from orchestration.sources.contract import Contract, Table
from orchestration.sources.landed import content_hash
from orchestration.sources.names import literal

if TYPE_CHECKING:
    import duckdb

    from orchestration.project import Project

PURPOSE = "tombstones"
_RULES = Path(__file__).parent / "tombstone_rules.yml"


@dataclass(frozen=True)
class Rules:
    """What evidence is worth, from `tombstone_rules.yml`."""

    fields: dict[str, dict[str, int]]
    household: tuple[str, ...]
    household_at_most: int
    personal_at_least: int
    needed: int


@cache
def load_rules(path: Path = _RULES) -> Rules:
    """The rules as data."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Rules(
        content["fields"],
        tuple(content["shared_in_household"]),
        content["household_at_most"],
        content["personal_at_least"],
        content["needed"],
    )


def bury(con: "duckdb.DuckDBPyConnection", ledger: Ledger, closure: Closure, request_id: str, secret: bytes) -> int:
    """Write a tombstone for each person of the closure (in the temporary tables). Returns how many hashes were written.

    Raises LedgerError.
    """
    key = token_key(secret, PURPOSE)
    check = token_key_id(secret, PURPOSE)[:16]
    stones = []
    for person in closure.people:
        name = f"{request_id}-{person.number}"
        # Derived, so that a step that is done again writes the same.
        nonce = str(token(name, "nonce", key)).removeprefix("nonce_")
        stones.append(Tombstone(name, request_id, nonce, check))
    _person_identities(con, request_id, stones)
    keys = con.execute(keys_sql("tombstone_people", "tombstone_id"), key.parameters).to_arrow_table()
    fields = con.execute(fields_sql("tombstone_people", "tombstone_id"), key.parameters).to_arrow_table()
    con.execute("drop table tombstone_people")
    append_tombstones(ledger, stones, keys, fields)
    return int(keys.num_rows + fields.num_rows)


def _person_identities(con: "duckdb.DuckDBPyConnection", request_id: str, stones: Sequence[Tombstone]) -> None:
    """One row for each record of each person, and one more with given and family name exchanged."""
    import pyarrow as pa

    con.register(
        "stones_arrow", pa.table({"tombstone_id": [s.tombstone_id for s in stones], "nonce": [s.nonce for s in stones]})
    )
    has_identifiers = relation(con, "integration.int_record_identifiers") is not None
    identifiers = (
        "integration.int_record_identifiers"
        if has_identifiers
        else "(select null::varchar as record_id, null::varchar as identifier_type, null::varchar as identifier limit 0)"
    )
    name = f"{literal(request_id)} || '-' || mine.person"
    con.execute(
        f"""
        create or replace temp table tombstone_people as
        with identifiers as (
            select
                record_id,
                list(identifier) filter (where identifier_type = 'user_id') as user_ids,
                list(identifier) filter (where identifier_type = 'loyalty_number') as loyalty_numbers
            from {identifiers}
            group by record_id
        ),
        records as (
            select
                {name} as tombstone_id,
                {given_form("standard.given_name")} as given,
                {family_form("standard.family_name")} as family,
                {birth_form("standard.birth_date")} as birth,
                {email_form("standard.email")} as email,
                {phone_form("standard.phone")} as phone,
                {national_form("standard.national_id")} as national_id,
                {postcode_form("standard.postcode")} as postcode,
                {street_form("standard.street")} as street,
                [mine.record_id] as record_ids,
                identifiers.user_ids,
                identifiers.loyalty_numbers,
                null::varchar[] as visitors,
                null::varchar[] as event_ids
            from {RECORDS} as mine
            left join {STANDARD} as standard using (record_id)
            left join identifiers using (record_id)
            union all by name
            select {name.replace("mine.", "")} as tombstone_id, list(anonymous_id) as visitors from {VISITORS} group by person
            union all by name
            select {name.replace("mine.", "")} as tombstone_id, list(event_id) as event_ids from {STITCHED} group by person
        ),
        both_orders as (
            from records
            union all by name
            select * replace (family as given, given as family, null as record_ids, null as email, null as phone)
            from records
            where given is not null and family is not null
        )
        select both_orders.*, stones.nonce
        from both_orders
        inner join stones_arrow as stones using (tombstone_id)
        """
    )
    con.unregister("stones_arrow")


def gatekeeper(project: "Project") -> "Gatekeeper":
    """The gatekeeper of a project. Nothing is read before it is asked, the secret not unless there are tombstones."""
    return Gatekeeper(Ledger.of(project.settings), project.contracts, lambda: load_secret(project.settings))


@dataclass
class Gatekeeper:
    """Holds the rows of erased people back while a day is loaded. One for each load: it reads the ledger when asked."""

    ledger: Ledger
    contracts: Sequence[Contract]
    secret: Callable[[], bytes]
    only: str | None = None
    """Compare with the tombstones of one request alone."""

    @property
    def is_needed(self) -> bool:
        """Whether anybody was erased. Raises LedgerError."""
        return bool(living_tombstones(self.ledger))

    def find(self, con: "duckdb.DuckDBPyConnection", table: Table, landed: str, malformed: str) -> dict[str, set[int]]:
        """The numbers of rows to hold back, by file, among a day's rows in two temporary tables.

        Raises:
            LostKeyError: there are tombstones, and the present key is not theirs.
            LedgerError: the ledger cannot be read.
        """
        stones = [s for s in living_tombstones(self.ledger) if self.only in (None, s.request_id)]
        if not stones:
            return {}
        key = self._key(stones)
        links = next(link for link in table_links(self.contracts) if link.name == table.raw_name)
        keys, fields = read_hashes(self.ledger)
        found: dict[str, set[int]] = {}
        # Arrow tables under a name, because temporary tables would end with the load's transaction.
        con.register("stone_keys", keys)
        con.register("stone_fields", fields)
        self._living(con, stones)
        try:
            if _exists(con, landed):
                for file, row in _held(con, links, landed, key):
                    found.setdefault(file, set()).add(row)
            for file, row in _held_lines(con, table, malformed, key):
                found.setdefault(file, set()).add(row)
        finally:
            for name in ("stone_keys", "stone_fields", "stones_living"):
                con.unregister(name)
        return found

    def take_out(
        self,
        con: "duckdb.DuckDBPyConnection",
        contract: Contract,
        table: Table,
        load_date: date,
        landing: Path,
        held: dict[str, set[int]],
        malformed: str,
    ) -> None:
        """Remove held-back rows from the landed files and note how many they were. Raises ErasureError, LedgerError."""
        broken = unclosed(con, malformed)
        for file, rows in sorted(held.items()):
            path = landing / file
            beside = written_beside(path, contract.server, rows, broken.get(file, ()))
            earlier = self.counts(table, load_date, landing).get(file, 0)
            append_suppression(
                self.ledger, Suppression(table.raw_name, load_date, file, file_hash(beside), earlier + len(rows))
            )
            beside.replace(path)

    def carry_over(self, table: Table, load_date: date, file: str, before: Path, after: Path) -> None:
        """Keep a file's count of held-back rows when the file is rewritten for another reason."""
        noted = [item for item in read_suppressions(self.ledger, table.raw_name, load_date) if item.file == file]
        was = file_hash(before) if noted else ""
        rows = next((item.rows for item in reversed(noted) if item.content_hash == was), 0)
        if rows:
            append_suppression(self.ledger, Suppression(table.raw_name, load_date, file, file_hash(after), rows))

    def counts(self, table: Table, load_date: date, landing: Path) -> dict[str, int]:
        """Rows held back of each file as it lies there now."""
        found: dict[str, int] = {}
        hashes: dict[str, str] = {}
        for item in read_suppressions(self.ledger, table.raw_name, load_date):
            path = landing / item.file
            if item.file not in hashes:
                hashes[item.file] = file_hash(path) if path.is_file() else ""
            if hashes[item.file] == item.content_hash:
                found[item.file] = item.rows
        return found

    def _key(self, stones: Sequence[Tombstone]) -> TokenKey:
        secret = self.secret()
        if {s.key_check for s in stones} != {token_key_id(secret, PURPOSE)[:16]}:
            raise LostKeyError(
                f"the {len(stones):,} tombstones of erased people were made with another secret than the present one, so "
                "nobody can tell whether an erased person is coming back. Nothing was loaded. Set KINDRED_SECRET to the "
                "secret under which they were erased; without it, lift the tombstones with `kindred erase --lift REQUEST` "
                "and erase the people again."
            )
        return token_key(secret, PURPOSE)

    @staticmethod
    def _living(con: "duckdb.DuckDBPyConnection", stones: Sequence[Tombstone]) -> None:
        import pyarrow as pa

        con.register(
            "stones_living",
            pa.table({"tombstone_id": [s.tombstone_id for s in stones], "nonce": [s.nonce for s in stones]}),
        )


def _exists(con: "duckdb.DuckDBPyConnection", name: str) -> bool:
    return bool(
        con.execute("select count(*) from duckdb_tables() where temporary and table_name = ?", [name]).fetchall()[0][0]
    )


def file_hash(path: Path) -> str:
    """SHA-256 of a landed file's content; encrypting it does not change that."""
    return content_hash(path)


def unclosed(con: "duckdb.DuckDBPyConnection", malformed: str) -> dict[str, Collection[int]]:
    """Lines whose quote is never closed, by file: each is one line, whatever its quotes say."""
    rows = con.execute(f"select file, row_number from {malformed} where contains(lower(reason), 'quote')").fetchall()
    found: dict[str, set[int]] = {}
    for file, row in rows:
        found.setdefault(file, set()).add(row)
    return dict(found)


def identity_sql(con: "duckdb.DuckDBPyConnection", links: TableLinks, landed: str) -> str:
    """SQL of a landed table's rows as `tombstone_keys.IDENTITY_COLUMNS`, with `_file` and `_row`."""
    read = raw_reader("landed")
    table = links.table

    def first(semantic: str) -> str | None:
        names = links.by_semantic(semantic)
        return read(names[0]) if names else None

    def formed(semantic: str, form: Any) -> str:
        value = first(semantic)
        return form(value) if value else "null::varchar"

    full = first("full_name")
    words = f"regexp_split_to_array(trim({full}), '\\s+')" if full else ""
    given = (
        formed("given_name", given_form)
        if first("given_name")
        else given_form(f"{words}[1]")
        if full
        else "null::varchar"
    )
    family = (
        formed("family_name", family_form)
        if first("family_name")
        else family_form(f"case when len({words}) > 1 then {words}[-1] end")
        if full
        else "null::varchar"
    )
    birth = next((column for column in table.columns if column.semantic == "birth_date"), None)
    born = "null::varchar"
    if birth is not None:
        text = read(birth.name)
        parsed = (
            f"try_strptime({text}, {literal(birth.date_format)})::date"
            if birth.date_format
            else f"try_cast({text} as date)"
        )
        born = birth_form(f"coalesce({parsed}, try_cast({text} as date))")
    ids = ", ".join(links.record_ids(read)) or "null::varchar"
    visitors = ", ".join(links.visitors(read)) or "null::varchar"
    events = ", ".join(links.event_ids(read)) or "null::varchar"
    users = ", ".join(read(name) for name in links.by_semantic("user_id")) or "null::varchar"
    loyalty = ", ".join(read(name) for name in links.by_semantic("loyalty_number")) or "null::varchar"
    # An event of a signed-in account is the account's, whoever used the browser before.
    signed_in = " or ".join(f"{read(name)} is not null" for name in links.by_semantic("user_id")) or "false"
    return f"""
        select
            landed._file, landed._row,
            {given} as given, {family} as family, {born} as birth,
            {formed("email", email_form)} as email, {formed("phone", phone_form)} as phone,
            {formed("national_id", national_form)} as national_id,
            {formed("postcode", postcode_form)} as postcode, {formed("street", street_form)} as street,
            [{ids}] as record_ids, [{users}] as user_ids, [{loyalty}] as loyalty_numbers,
            case when not ({signed_in}) then [{visitors}] end as visitors, [{events}] as event_ids
        from {landed} as landed
    """


def _held(con: "duckdb.DuckDBPyConnection", links: TableLinks, landed: str, key: TokenKey) -> list[tuple[str, int]]:
    con.execute(f"create or replace temp table arriving as {identity_sql(con, links, landed)}")
    con.execute("create or replace temp table arriving_numbered as select rowid as arrival, * from arriving")
    con.execute(
        f"""
        create or replace temp table candidates as
        with found as ({keys_sql("arriving_numbered", "arrival")}),
        living as (select stone_keys.* from stone_keys semi join stones_living using (tombstone_id))
        select found.arrival, living.tombstone_id, bool_or(list_contains({list(CERTAIN)!r}, found.kind)) as certain
        from found
        inner join living using (kind, hash)
        group by all
        """,
        key.parameters,
    )
    con.execute(
        """
        create or replace temp table arriving_fields as
        with candidate_rows as (
            select candidates.arrival, candidates.tombstone_id, stones_living.nonce, arriving.* exclude (arrival)
            from candidates
            inner join arriving_numbered as arriving using (arrival)
            inner join stones_living using (tombstone_id)
            where not candidates.certain
        ),
        numbered as (
            select row_number() over (order by arrival, tombstone_id) as pair, * from candidate_rows
        )
        from numbered
        """
    )
    rows = con.execute(
        f"""
        with row_fields as ({fields_sql("arriving_fields", "pair")}),
        pairs as (select pair, arrival, tombstone_id from arriving_fields),
        said as (select distinct pair, rtrim(field, '~') as field from row_fields),
        known as (select distinct tombstone_id, rtrim(field, '~') as field from stone_fields),
        met as (
            select
                pairs.pair,
                rtrim(row_fields.field, '~') as field,
                min(case when ends_with(row_fields.field, '~') then 1 else 0 end) as nearness
            from row_fields
            inner join pairs using (pair)
            inner join stone_fields
                on pairs.tombstone_id = stone_fields.tombstone_id
                and row_fields.field = stone_fields.field
                and row_fields.hash = stone_fields.hash
            group by all
        ),
        compared as (
            select said.pair, said.field, coalesce(case met.nearness when 0 then 'exact' when 1 then 'near' end, 'against') as how
            from said
            inner join pairs using (pair)
            inner join known on pairs.tombstone_id = known.tombstone_id and said.field = known.field
            left join met on said.pair = met.pair and said.field = met.field
        ),
        weighed as ({_points_sql("compared")}),
        recognised as (select pair from weighed where {_decision_sql()})
        select arriving_numbered._file, arriving_numbered._row
        from arriving_numbered
        where arrival in (select arrival from candidates where certain)
            or arrival in (select pairs.arrival from pairs semi join recognised using (pair))
        order by all
        """,
        key.parameters,
    ).fetchall()
    for name in ("arriving", "arriving_numbered", "candidates", "arriving_fields"):
        con.execute(f"drop table {name}")
    return rows


def _points_sql(relation_name: str) -> str:
    rules = load_rules()
    branches = " ".join(
        f"when '{field}' then case how when 'exact' then {p['exact']} when 'near' then {p['near']} else {p['against']} end"
        for field, p in rules.fields.items()
    )
    shared = ", ".join(f"'{field}'" for field in rules.household)
    return f"""
        select
            pair,
            least({rules.household_at_most}, coalesce(sum(points) filter (where field in ({shared})), 0)) as household,
            coalesce(sum(points) filter (where field not in ({shared})), 0) as personal
        from (select pair, field, case field {branches} else 0 end as points from {relation_name})
        group by pair
    """


def _decision_sql() -> str:
    rules = load_rules()
    return f"personal >= {rules.personal_at_least} and personal + household >= {rules.needed}"


def _held_lines(con: "duckdb.DuckDBPyConnection", table: Table, malformed: str, key: TokenKey) -> list[tuple[str, int]]:
    """Broken lines with an id, an e-mail address, a phone or a national id of an erased person in them."""
    lines = con.execute(f"select file, row_number, text from {malformed} order by all").fetchall()
    if not lines:
        return []
    known = {
        row[0]
        for row in con.execute(
            """
            select stone_keys.hash
            from stone_keys
            semi join stones_living using (tombstone_id)
            where kind in ('record', 'email', 'national_id', 'phone', 'user', 'loyalty', 'visitor', 'event')
            """
        ).fetchall()
    }

    return [
        (file, row)
        for file, row, text in lines
        if any(token(f"{kind}|{value}", "t", key) in known for kind, value in known_by(text or "", table.source))
    ]
