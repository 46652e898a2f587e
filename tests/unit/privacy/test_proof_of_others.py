"""The proof that nobody else was touched finds a row of theirs that was changed, lost, doubled or brought in."""

import json
from collections.abc import Iterator

import duckdb
import pytest

from orchestration.privacy.closure import Closure, Person, load_closure
from orchestration.privacy.errors import ErasureError
from orchestration.privacy.relations import IS_MARKED, mark_rows, relations
from orchestration.privacy.warehouse_erasure import MARKS, fingerprint, prove_others

REQUEST = "erasure-test"
PERSON = Closure((Person(0, ("cus_1",), ("crm:1", "shop:1"), (), ()),))


@pytest.fixture
def erased() -> Iterator[duckdb.DuckDBPyConnection]:
    """Two tables of fifty customers, of whom one was erased after the fingerprints were taken."""
    with duckdb.connect() as con:
        con.execute("create schema marts; create schema quality")
        con.execute(
            """
            create table marts.dim_customer as
            select 'cus_' || i as customer_id, 'Name ' || i as full_name, i % 7 as orders from range(50) as t (i);
            create table marts.customer_xref as
            select source || ':' || i as record_id, 'cus_' || i as customer_id
            from range(50) as t (i), (values ('crm'), ('shop')) as s (source);
            """
        )
        load_closure(con, PERSON)
        others = {}
        for item in relations(con):
            marked = mark_rows(con, item)
            assert marked == {"dim_customer": 1, "customer_xref": 2}[item.name]
            others[item.label] = fingerprint(con, item, IS_MARKED)
            con.execute(f"delete from {item.sql} as held where {IS_MARKED}")
        con.execute(f"create table {MARKS} (request_id varchar, removed json, others json)")
        con.execute(f"insert into {MARKS} values (?, '{{}}', ?)", [REQUEST, json.dumps(others)])
        yield con


def test_untouched_rows_are_proven(erased: duckdb.DuckDBPyConnection) -> None:
    proofs = prove_others(erased, REQUEST)
    assert {proof.table: proof.rows for proof in proofs} == {"marts.dim_customer": 49, "marts.customer_xref": 98}
    assert all(proof.unchanged for proof in proofs)


@pytest.mark.parametrize(
    "change",
    [
        "update marts.dim_customer set full_name = 'Name 3 ' where customer_id = 'cus_3'",
        "update marts.dim_customer set full_name = null where customer_id = 'cus_3'",
        "update marts.dim_customer set orders = orders + 1 where customer_id = 'cus_3'",
        "update marts.dim_customer set full_name = case customer_id when 'cus_3' then 'Name 4' else 'Name 3' end "
        "where customer_id in ('cus_3', 'cus_4')",
        "delete from marts.dim_customer where customer_id = 'cus_3'",
        "insert into marts.dim_customer from marts.dim_customer where customer_id = 'cus_3'",
        "insert into marts.dim_customer values ('cus_1', 'Name 1', 1)",
        "insert into marts.dim_customer from marts.dim_customer where customer_id = 'cus_3'; "
        "delete from marts.dim_customer where customer_id = 'cus_4'",
        "drop table marts.dim_customer",
    ],
    ids=["changed", "emptied", "counted", "exchanged", "lost", "doubled", "back", "doubled and lost", "dropped"],
)
def test_one_row_that_is_not_as_it_was_is_found(erased: duckdb.DuckDBPyConnection, change: str) -> None:
    erased.execute(change)
    with pytest.raises(ErasureError, match=r"rows of other people are not as they were in marts\.dim_customer"):
        prove_others(erased, REQUEST)
