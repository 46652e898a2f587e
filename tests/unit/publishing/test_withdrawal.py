"""People leave a file as it was published: their rows go, everybody else's stay, and nothing else comes in."""

from pathlib import Path

import duckdb
import pytest

from orchestration.duckdb_files import forget_key, opened, use_key
from orchestration.privacy.closure import Closure, Person
from orchestration.privacy.pseudonyms import token, token_key
from orchestration.publishing import (
    LeakError,
    NotTellableError,
    PublishingError,
    publish_analytics,
    publish_customers,
    withdraw_from_analytics,
    withdraw_from_customers,
)
from tests.fixtures.company import build_company, privacy_of_company

SECRET = b"unit test secret, 32 bytes long!"
KEY = "the key of customers.duckdb in the tests, 40+ characters"
WORDS = {
    table: {column: "common:3" if column == "city" else word for column, word in columns.items()}
    for table, columns in privacy_of_company().items()
}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_company(tmp_path_factory.mktemp("company") / "kindred.duckdb", customers=60)


@pytest.fixture
def warehouse(company: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "kindred.duckdb"
    copy.write_bytes(company.read_bytes())
    return copy


def _somebody(warehouse: Path) -> Closure:
    with duckdb.connect(str(warehouse)) as con:
        (customer,) = con.execute(
            "select customer_id from marts.customer_xref group by 1 order by count(*) desc, 1 limit 1"
        ).fetchall()[0]
        records = con.execute(
            "select record_id from marts.customer_xref where customer_id = ? order by 1", [customer]
        ).fetchall()
    return Closure((Person(0, (customer,), tuple(record for (record,) in records), (), ()),))


def _tables(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple]]:
    names = con.execute("select table_name from meta.tables order by 1").fetchall()
    return {name: con.execute(f"from {name}").fetchall() for (name,) in names}


def _rejected(warehouse: Path) -> None:
    """What a run brought that a gate stopped."""
    with duckdb.connect(str(warehouse)) as con:
        con.execute("update marts.dim_customer set family_name = 'Rejected', gender = 'rejected'")
        con.execute("update analysis.daily_kpis set orders = -1")


def test_rows_go_and_what_a_gate_stopped_stays_out(warehouse: Path, tmp_path: Path) -> None:
    closure = _somebody(warehouse)
    target = publish_customers(warehouse, tmp_path / "customers.duckdb", KEY, run_id="r1").path
    use_key(target, lambda: KEY)
    with opened(target, read_only=True) as con:
        before = _tables(con)
    _rejected(warehouse)
    withdraw_from_customers(warehouse, target, closure, KEY)
    with opened(target, read_only=True) as con:
        after = _tables(con)
        assert con.execute("select run_id from meta.publication").fetchall() == [("r1",)]
        counts = dict(con.execute("select table_name, row_count from meta.tables").fetchall())
    forget_key(target)
    ids = closure.customers | closure.records
    assert after == {name: [row for row in rows if not ids & set(map(str, row))] for name, rows in before.items()}
    assert counts == {name: len(rows) for name, rows in after.items()}
    assert sum(map(len, before.values())) - sum(map(len, after.values())) > len(closure.records)


def test_people_are_found_by_their_tokens_and_rare_values_are_looked_at_again(warehouse: Path, tmp_path: Path) -> None:
    closure = _somebody(warehouse)
    (customer,) = closure.customers
    with duckdb.connect(str(warehouse)) as con:
        con.execute("update marts.dim_customer set city = 'Common'")
        others = "select customer_id from marts.dim_customer where customer_id <> ? order by 1 limit 2"
        con.execute(
            f"update marts.dim_customer set city = 'Three' where customer_id = ? or customer_id in ({others})",
            [customer, customer],
        )
    target = publish_analytics(warehouse, tmp_path, WORDS, SECRET).path
    with duckdb.connect(str(target), read_only=True) as con:
        before = _tables(con)
        assert con.execute("select count(*) from marts.dim_customer where city = 'Three'").fetchall() == [(3,)]
    _rejected(warehouse)
    withdraw_from_analytics(warehouse, tmp_path, closure, SECRET)
    with duckdb.connect(str(target), read_only=True) as con:
        after = _tables(con)
        cities = con.execute("select city, count(*) from marts.dim_customer group by 1 order by 2").fetchall()
        assert con.execute("select count(*) from marts.dim_customer where gender = 'rejected'").fetchall() == [(0,)]
        assert con.execute("select count(*) from duckdb_columns() where comment is not null").fetchall()[0][0] > 10
    gone = {str(token(customer, "customer_id", token_key(SECRET)))}
    gone |= {str(token(record, "record_id", token_key(SECRET))) for record in closure.records}
    kept = {name: [row for row in rows if not gone & set(map(str, row))] for name, rows in before.items()}
    assert {name: rows for name, rows in after.items() if name != "marts.dim_customer"} == {
        name: rows for name, rows in kept.items() if name != "marts.dim_customer"
    }
    assert len(after["marts.dim_customer"]) == len(kept["marts.dim_customer"]) == 59
    assert cities == [(None, 2), ("Common", 57)], "two people are too few to show where they live"


def test_what_was_computed_anew_is_published_with_the_search_for_leaks(warehouse: Path, tmp_path: Path) -> None:
    closure = _somebody(warehouse)
    target = publish_analytics(warehouse, tmp_path, WORDS, SECRET).path
    _rejected(warehouse)
    withdraw_from_analytics(warehouse, tmp_path, closure, SECRET, fresh=["analysis.daily_kpis"], columns=WORDS)
    with duckdb.connect(str(target), read_only=True) as con:
        assert con.execute("select distinct orders from analysis.daily_kpis").fetchall() == [(-1,)]
        assert con.execute("select count(*) from marts.dim_customer where gender = 'rejected'").fetchall() == [(0,)]
    with duckdb.connect(str(warehouse)) as con:
        con.execute("update analysis.customer_rfm set rfm_segment = 'mail anna@firm.example'")
    content = target.read_bytes()
    with pytest.raises(LeakError, match=r"analysis\.customer_rfm shows an e-mail address"):
        withdraw_from_analytics(warehouse, tmp_path, closure, SECRET, fresh=["analysis.customer_rfm"], columns=WORDS)
    assert target.read_bytes() == content


def test_tokens_of_another_secret_and_another_key_are_told(warehouse: Path, tmp_path: Path) -> None:
    closure = _somebody(warehouse)
    publish_analytics(warehouse, tmp_path, WORDS, SECRET)
    with pytest.raises(NotTellableError, match="another secret"):
        withdraw_from_analytics(warehouse, tmp_path, closure, b"another secret, 32 bytes or more!")
    target = publish_customers(warehouse, tmp_path / "customers.duckdb", KEY).path
    with pytest.raises(PublishingError, match=r"customers\.duckdb cannot be opened"):
        withdraw_from_customers(warehouse, target, closure, "another key, of more than 32 characters")


def test_a_table_that_does_not_tell_whose_rows_it_has_is_refused(warehouse: Path, tmp_path: Path) -> None:
    words = {**WORDS, "marts.customer_xref": {**WORDS["marts.customer_xref"], "customer_id": "drop"}}
    closure = _somebody(warehouse)
    publish_analytics(warehouse, tmp_path, words, SECRET)
    with pytest.raises(NotTellableError, match=r"marts\.customer_xref.*customer_id"):
        withdraw_from_analytics(warehouse, tmp_path, closure, SECRET)
