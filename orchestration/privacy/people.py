"""The records of one person as an officer names them: what consent and restrictions are attached to.

Belongs here: from a customer, an e-mail address or a record to record ids. Does not belong here: everything else that is
held of the person (`closure.py`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.privacy.errors import AmbiguousPersonError, Candidate, PrivacyError, UnknownPersonError
from orchestration.standardise.email import normalised_email

if TYPE_CHECKING:
    import duckdb

MEMBERSHIPS = "resolution.memberships"
RECORDS = "cleansing.standardised_records"
REDIRECTS = "marts.customer_id_redirects"


@dataclass(frozen=True)
class Named:
    """How a person was named: exactly one of the three."""

    customer: str | None = None
    email: str | None = None
    record: str | None = None

    def __str__(self) -> str:
        """Without the value: what is said of a person in a log or error must not name them."""
        return "the customer" if self.customer else "the e-mail address" if self.email else "the record"


@dataclass(frozen=True)
class PersonRecords:
    """A person's records at this moment."""

    customer_id: str
    record_ids: tuple[str, ...]
    whole: bool
    """Whether these are all records of the customer; not when one record was named."""


def find_person(con: "duckdb.DuckDBPyConnection", named: Named) -> PersonRecords:
    """The one customer that is meant, and the records that an answer of theirs is attached to.

    A customer id that was retired means the living one that it became. An e-mail address is compared in standard form.

    Raises:
        PrivacyError: no day has run, or not exactly one of the three ways was used.
        UnknownPersonError: nothing is held under what was given.
        AmbiguousPersonError: the e-mail address is on records of several customers; nobody guesses.
    """
    if sum(value is not None for value in (named.customer, named.email, named.record)) != 1:
        raise PrivacyError("Name the person in one way: --customer, --email or --record.")
    if not _exists(con, MEMBERSHIPS):
        raise PrivacyError(
            "No day has been run in this data folder, so no person is known yet. Run `kindred run` first."
        )
    customers = _customers(con, named)
    if not customers:
        raise UnknownPersonError(
            f"Nothing is held under {named} that was given. Check the spelling; a record that came today is known after "
            "the next run."
        )
    if len(customers) > 1:
        raise AmbiguousPersonError(str(named).capitalize(), [_candidate(con, customer) for customer in customers])
    if named.record is not None:
        return PersonRecords(customers[0], (named.record.strip(),), whole=False)
    records = con.execute(
        f"select record_id from {MEMBERSHIPS} where customer_id = ? order by record_id", [customers[0]]
    ).fetchall()
    return PersonRecords(customers[0], tuple(record for (record,) in records), whole=True)


def _customers(con: "duckdb.DuckDBPyConnection", named: Named) -> list[str]:
    if named.customer is not None:
        wanted = named.customer.strip()
        if _exists(con, REDIRECTS):
            redirected = con.execute(
                f"select current_customer_id from {REDIRECTS} where customer_id = ?", [wanted]
            ).fetchall()
            wanted = next((living for (living,) in redirected if living), wanted)
        condition, value = "customer_id = ?", wanted
    elif named.email is not None:
        condition = (
            f"record_id in (select record_id from {RECORDS} where email = "
            f"(select {normalised_email('given')} from (select trim(?::varchar) as given)))"
        )
        value = named.email
    else:
        condition, value = "record_id = ?", (named.record or "").strip()
    rows = con.execute(
        f"select distinct customer_id from {MEMBERSHIPS} where {condition} order by customer_id", [value]
    ).fetchall()
    return [customer for (customer,) in rows]


def _candidate(con: "duckdb.DuckDBPyConnection", customer: str) -> Candidate:
    sources = con.execute(
        f"select split_part(record_id, ':', 1), count(*) from {MEMBERSHIPS} where customer_id = ? group by 1 order by 1",
        [customer],
    ).fetchall()
    return Candidate(customer, sum(count for _, count in sources), tuple(source for source, _ in sources))


def _exists(con: "duckdb.DuckDBPyConnection", table: str) -> bool:
    schema, name = table.split(".")
    return bool(
        con.execute(
            "select 1 from duckdb_tables() where database_name = current_database() and schema_name = ? and table_name = ?",
            [schema, name],
        ).fetchall()
    )
