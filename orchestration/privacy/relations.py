"""Which rows of a table are a person's, told by the table's columns: no list of tables that could be forgotten.

Belongs here: walking the warehouse, the condition under which a row belongs to a closure, and what counts as an
aggregate. Does not belong here: making the closure, or deleting.

The convention: whatever holds something of a person carries `record_id` (or `record_id_l` and `record_id_r`),
`customer_id` (or `other_customer_id`), or its place in a landed file (`_file`, `_row`, or `file`, `row_number`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.sources.names import quote

if TYPE_CHECKING:
    import duckdb

PERSON_SCHEMAS = frozenset({"raw", "quarantine", "integration", "cleansing", "resolution", "marts", "analysis"})
# Here every text may be a person's; further on there are only ids, what was said before, and words of Kindred's own.
_ALL_SCHEMAS = ("raw", "quarantine", "snapshots")
_ALL_TABLES = (
    # What staging trims is here as it is further on: ' Flavio' and 'Flavio' are two values in raw.
    "integration.int_customer_records",
    "integration.int_support_tickets",
    "cleansing.standardised_records",
    "cleansing.golden_customers",
    "marts.dim_customer",
)
_RECORD = ("record_id", "record_id_l", "record_id_r", "founding_record_id")
_CUSTOMER = ("customer_id", "other_customer_id", "current_customer_id", "previous_customer_id")
# A household carries its first member's address: its row is that person's, and is made anew of whoever is left.
_FOUNDER = "founding_customer_id"
# Columns that do not tell of the row's own person: where it stands, which moves when a row before it is removed from its
# file; what scored it; and which household a customer is in, which is named after another member.
PLACE_COLUMNS = frozenset({"_row", "row_number", "model_version", "household_id", _FOUNDER, "household_rule"})

# What remembers that an id was given: an erased customer's id stays here as ended, without any record, so that it is never
# given to anybody else and whoever meets it in an old list learns that nobody is behind it.
ENDED_IDS = frozenset(
    {
        "resolution.customer_ids",
        "resolution.accepted_customer_ids",
        "resolution.id_events",
        "marts.customer_id_redirects",
    }
)

RECORDS, CUSTOMERS, VISITORS, STITCHED, PLACES, EVENTS = (
    "erased_records", "erased_customers", "erased_visitors", "erased_stitched", "erased_places", "erased_events",
)  # fmt: skip
MARKED = "erased_rowids"
IS_MARKED = f"held.rowid in (select place from {MARKED})"
"""SQL, true for a row of the table `held` that `mark_rows` has marked."""
CLOSURE_TABLES = {
    RECORDS: "record_id varchar, person integer",
    CUSTOMERS: "customer_id varchar, person integer",
    VISITORS: "anonymous_id varchar, person integer",
    STITCHED: "event_id varchar, person integer",
    PLACES: "table_name varchar, load_date date, file varchar, row_number bigint, person integer",
    EVENTS: "key varchar, person integer",
}


@dataclass(frozen=True)
class Relation:
    """One table of the warehouse with its columns: name to type."""

    schema: str
    name: str
    columns: dict[str, str]

    @property
    def label(self) -> str:
        """As people write it."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """Quoted for a statement."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def texts(self) -> list[str]:
        """The columns that hold text or documents."""
        return [name for name, kind in self.columns.items() if kind.startswith(("VARCHAR", "JSON", "STRUCT", "MAP"))]

    @property
    def says_all(self) -> bool:
        """Whether any text in it may be a person's, rather than an id or what another table says before it."""
        return self.schema in _ALL_SCHEMAS or self.label in _ALL_TABLES

    @property
    def of_many(self) -> bool:
        """Whether a row tells of several people, one of whom it is named after."""
        return _FOUNDER in self.columns and "customer_id" not in self.columns

    @property
    def keys(self) -> list[str]:
        """The columns with ids of people by which a row behind raw and quarantine is known to be theirs."""
        names = (*_RECORD, *_CUSTOMER, "anonymous_id", *((_FOUNDER,) if self.of_many else ()))
        return [name for name in self.columns if name in names]

    def condition(self, alias: str) -> str | None:
        """SQL, true for a row of the closure in the temporary tables; None when the table carries no person."""
        parts = []
        columns = self.columns
        if self.schema == "raw" and {"_file", "_row"} <= set(columns):
            return _at(alias, self.name, "_load_date", "_file", "_row")
        if self.schema == "quarantine":
            return f"({_at(alias, self.name, 'load_date', 'file', 'row_number')} or {_quarantined(alias)})"
        if {"table_name", "file", "row_number"} <= set(columns):
            return (
                f"exists (select 1 from {PLACES} as p where 'raw.' || p.table_name = {alias}.table_name "
                f"and p.load_date = {alias}.load_date and p.file = {alias}.file and p.row_number = {alias}.row_number)"
            )
        parts += [f"{alias}.{c} in (select record_id from {RECORDS})" for c in _RECORD if c in columns]
        parts += [f"{alias}.{c} in (select customer_id from {CUSTOMERS})" for c in _CUSTOMER if c in columns]
        if self.of_many:
            parts.append(f"{alias}.{_FOUNDER} in (select customer_id from {CUSTOMERS})")
        if "anonymous_id" in columns:
            nobody = f" and {alias}.record_id is null" if "record_id" in columns else ""
            parts.append(f"({alias}.anonymous_id in (select anonymous_id from {VISITORS}){nobody})")
            if "event_id" in columns:
                parts.append(f"{alias}.event_id in (select event_id from {STITCHED})")
        return f"coalesce({' or '.join(parts)}, false)" if parts else None

    def person(self, alias: str) -> str:
        """SQL of the person's number whose row it is."""
        columns = self.columns
        tries = []
        if self.schema == "raw" or self.schema == "quarantine":
            file, row, day = (
                ("_file", "_row", "_load_date") if self.schema == "raw" else ("file", "row_number", "load_date")
            )
            tries.append(
                f"(select min(p.person) from {PLACES} as p where p.table_name = '{self.name}' and p.file = {alias}.{file} "
                f"and p.row_number = {alias}.{row} and p.load_date = {alias}.{day})"
            )
        customers = (*_CUSTOMER, _FOUNDER) if self.of_many else _CUSTOMER
        for names, table, key in ((_RECORD, RECORDS, "record_id"), (customers, CUSTOMERS, "customer_id")):
            tries += [
                f"(select min(p.person) from {table} as p where p.{key} = {alias}.{c})" for c in names if c in columns
            ]
        return f"coalesce({', '.join(tries)})" if tries else "null"


def _at(alias: str, table: str, day: str, file: str, row: str) -> str:
    return (
        f"coalesce(({alias}.{day}, {alias}.{file}, {alias}.{row}) in "
        f"(select (load_date, file, row_number) from {PLACES} where table_name = '{table}'), false)"
    )


def _quarantined(alias: str) -> str:
    """A row that a later gate held back: known by its key or by the ids in its record."""
    ids = {"record_id": RECORDS, "record_id_l": RECORDS, "record_id_r": RECORDS, "customer_id": CUSTOMERS}
    parts = [
        f"({alias}.record ->> '{name}') in (select {'record_id' if table is RECORDS else 'customer_id'} from {table})"
        for name, table in ids.items()
    ]
    parts += [
        f"{alias}.row_key in (select record_id from {RECORDS})",
        f"{alias}.row_key in (select customer_id from {CUSTOMERS})",
        f"{alias}.row_key in (select key from {EVENTS})",
    ]
    return f"({alias}.file is null and coalesce({' or '.join(parts)}, false))"


def relations(con: "duckdb.DuckDBPyConnection") -> list[Relation]:
    """Every table of the warehouse, by name."""
    rows = con.execute(
        """
        select tables.schema_name, tables.table_name, columns.column_name, columns.data_type
        from duckdb_tables() as tables
        inner join duckdb_columns() as columns using (database_name, schema_name, table_name)
        where tables.database_name = current_database() and not tables.temporary
        order by tables.schema_name, tables.table_name, columns.column_index
        """
    ).fetchall()
    found: dict[tuple[str, str], dict[str, str]] = {}
    for schema, name, column, kind in rows:
        found.setdefault((schema, name), {})[column] = kind
    return [Relation(schema, name, columns) for (schema, name), columns in found.items()]


def mark_rows(con: "duckdb.DuckDBPyConnection", item: Relation) -> int:
    """Put the rowids of the closure's rows into the temporary table `MARKED`, so that several statements about a table
    need not compare all its ids with all of theirs again. Returns how many there are."""
    condition = item.condition("held") or "false"
    con.execute(
        f"create or replace temp table {MARKED} as select held.rowid as place from {item.sql} as held where {condition}"
    )
    return int(con.execute(f"select count(*) from {MARKED}").fetchall()[0][0])


def relation(con: "duckdb.DuckDBPyConnection", label: str) -> Relation | None:
    """One table, or None when it is not there."""
    return next((found for found in relations(con) if found.label == label), None)
