"""What is guarded by a privacy word elsewhere, and what looks personal, is found in the columns that show values."""

from pathlib import Path

import duckdb
import pytest

from orchestration.publishing import LeakError, UnknownPrivacyError, publish_analytics
from orchestration.publishing.columns import column_rule, token_kind
from tests.fixtures.company import build_company, privacy_of_company

SECRET = b"unit test secret, 32 bytes long!"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_company(tmp_path_factory.mktemp("company") / "kindred.duckdb", customers=60)


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ("'anna@firm.example'", "an e-mail address"),
        ("'https://firm.example/anna'", "a web address"),
        ("'call +44 7946 012345'", "a telephone number"),
        ("(select min(national_id) from marts.dim_customer)", "a value that stands as a token"),
        ("(select min(customer_id) from marts.dim_customer)", "a value that stands as a token"),
        ("(select min(record_id) from marts.customer_xref)", "a value that stands as a token"),
    ],
)
def test_one_such_value_in_a_shown_column_keeps_the_old_file(
    company: Path, tmp_path: Path, planted: str, found: str
) -> None:
    warehouse = tmp_path / "kindred.duckdb"
    warehouse.write_bytes(company.read_bytes())
    published = publish_analytics(warehouse, tmp_path, privacy_of_company(), SECRET)
    before = published.path.read_bytes()
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            f"update marts.fct_orders set channel = {planted} where order_id = (select min(order_id) from marts.fct_orders)"
        )
        (value,) = connection.execute(f"select {planted}").fetchall()[0]
    with pytest.raises(LeakError, match=f"Column channel of marts.fct_orders shows {found}.*1 distinct") as refusal:
        publish_analytics(warehouse, tmp_path, privacy_of_company(), SECRET)
    assert value not in str(refusal.value)
    assert published.path.read_bytes() == before


@pytest.mark.parametrize(
    "column",
    [
        "customer_id",
        "current_customer_id",
        "household_id",
        "record_id_l",
        "order_id",
        "ticket_id",
        "email",
        "subject",
        "url",
    ],
)
def test_ids_and_values_of_people_are_never_clear(column: str) -> None:
    with pytest.raises(
        UnknownPrivacyError, match=f"Column {column} of marts.t holds an id or a value of single people"
    ):
        column_rule(column, "clear", "marts.t")
    assert column_rule(column, "drop", "marts.t").action == "drop"


def test_ids_of_one_kind_join_whatever_their_columns_are_called() -> None:
    assert {token_kind(name) for name in ("customer_id", "other_customer_id", "current_customer_id")} == {"customer_id"}
    assert {token_kind(name) for name in ("record_id", "record_id_l", "record_id_r")} == {"record_id"}
    assert token_kind("household_id") == "household_id"
    assert token_kind("source_record_id") == "source_record_id"
    assert token_kind("email") == "email"


def test_retired_ids_lead_to_living_ones_among_tokens(company: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "kindred.duckdb"
    warehouse.write_bytes(company.read_bytes())
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "create table marts.customer_id_redirects as select 'cus_retired' as customer_id, min(customer_id) as current_customer_id from marts.dim_customer"
        )
    words = privacy_of_company() | {
        "marts.customer_id_redirects": {"customer_id": "token", "current_customer_id": "token"}
    }
    published = publish_analytics(warehouse, tmp_path, words, SECRET)
    with duckdb.connect(str(published.path), read_only=True) as connection:
        assert connection.execute(
            "select count(*) from marts.customer_id_redirects r join marts.dim_customer d on d.customer_id = r.current_customer_id"
        ).fetchall() == [(1,)]
        assert connection.execute(
            "select count(*) from marts.dim_customer where starts_with(customer_id, 'cus_')"
        ).fetchall() == [(0,)]


def test_rare_places_are_not_shown(company: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "kindred.duckdb"
    warehouse.write_bytes(company.read_bytes())
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "update marts.dim_customer set city = 'Hamlet' where customer_id in (select customer_id from marts.dim_customer order by customer_id limit 9)"
        )
    words = privacy_of_company()
    words["marts.dim_customer"]["city"] = "common"
    published = publish_analytics(warehouse, tmp_path, words, SECRET)
    with duckdb.connect(str(published.path), read_only=True) as connection:
        shown = dict(connection.execute("select city, count(*) from marts.dim_customer group by city").fetchall())
    assert "Hamlet" not in shown
    assert shown[None] == 9
    assert min(shown.values()) >= 9
