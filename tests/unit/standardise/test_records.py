"""Standardising whole tables of customer records."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.standardise import RECORD_COLUMNS, StandardiseError, standardise_records
from orchestration.standardise.phone import e164
from orchestration.standardise.placeholders import placeholder_rules


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(":memory:")
    yield connection
    connection.close()


def records(con: duckdb.DuckDBPyConnection, *rows: dict[str, Any]) -> None:
    """The table `records` from partial rows; every column text but the dates."""
    types = {"updated_at": "timestamp", "load_date": "date"}
    columns = ", ".join(f"{name} {types.get(name, 'varchar')}" for name in RECORD_COLUMNS)
    con.execute(f"create or replace table records ({columns})")
    for number, row in enumerate(rows):
        full = {"record_id": f"r{number}", "source": "s", "load_date": "2026-01-31", **row}
        con.execute(
            f"insert into records ({', '.join(full)}) values ({', '.join('?' for _ in full)})", list(full.values())
        )


def standard(con: duckdb.DuckDBPyConnection, *rows: dict[str, Any], **options: str) -> list[dict[str, Any]]:
    records(con, *rows)
    standardise_records(con, "records", "standard", **options)
    result = con.execute("select * from standard order by record_id")
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def test_a_record_is_cleaned_to_be_read(con: duckdb.DuckDBPyConnection) -> None:
    [row] = standard(
        con,
        {
            "given_name": "  MARY\u200b  ANN ",
            "family_name": "O'NEILL",
            "email": "Mailto:Mary@Example-Shop.COM ",
            "phone": "(415) 200-3000",
            "city": "new york",
            "region": "ny",
            "postcode": "10001.0",
            "country": "Vereinigte Staaten",
            "gender": "Frau",
            "birth_date": "1980-02-29",
        },
    )
    assert row["given_name"] == "Mary Ann"
    assert row["family_name"] == "O'Neill"
    assert row["email"] == "mary@example-shop.com"
    assert row["phone"] == "+14152003000"
    assert (row["city"], row["region"], row["postcode"], row["country"]) == ("New York", "NY", "10001", "US")
    assert row["gender"] == "female"
    assert row["birth_date"] == date(1980, 2, 29)
    assert row["placeholder_fields"] == []


def test_placeholders_and_invalid_values_are_null_and_named(con: duckdb.DuckDBPyConnection) -> None:
    [row] = standard(
        con,
        {
            "given_name": "Test",
            "family_name": "Customer",
            "email": "NoEmail@example.com",
            "phone": "0000000000",
            "birth_date": "1900-01-01",
            "gender": "?",
            "city": "n/a",
            "national_id": "123-45-6789",
        },
    )
    assert row["placeholder_fields"] == [
        "given_name", "family_name", "birth_date", "gender", "email", "phone", "city", "national_id",
    ]  # fmt: skip
    assert all(row[name] is None for name in row["placeholder_fields"])


def test_real_people_with_odd_names_stay(con: duckdb.DuckDBPyConnection) -> None:
    rows = standard(con, {"family_name": "Null"}, {"family_name": "Na"}, {"family_name": "Van"})
    assert [row["family_name"] for row in rows] == ["Null", "Na", "Van"]


def test_the_unambiguous_dates_decide_which_part_is_the_day(con: duckdb.DuckDBPyConnection) -> None:
    day_first = standard(con, {"birth_date": "04/05/1980"}, {"birth_date": "13/04/1980"})
    assert [row["birth_date"] for row in day_first] == [date(1980, 5, 4), date(1980, 4, 13)]
    month_first = standard(con, {"birth_date": "04/05/1980"}, {"birth_date": "04/13/1980"})
    assert month_first[0]["birth_date"] == date(1980, 4, 5)


def test_birth_dates_outside_a_life_are_null(con: duckdb.DuckDBPyConnection) -> None:
    rows = standard(con, {"birth_date": "2026-02-01"}, {"birth_date": "1899-05-05"}, {"birth_date": "07/71/1958"})
    assert [row["birth_date"] for row in rows] == [None, None, None]
    [row] = standard(con, {"birth_date": "1630-08-01"}, earliest_birth_date="0001-01-02")
    assert row["birth_date"] == date(1630, 8, 1)


def test_typed_dates_are_taken_as_they_are(con: duckdb.DuckDBPyConnection) -> None:
    records(con, {"birth_date": "1980-02-03"})
    con.execute("alter table records alter birth_date type date")
    standardise_records(con, "records", "standard")
    assert con.execute("select birth_date from standard").fetchall() == [(date(1980, 2, 3),)]


def test_nothing_but_the_target_is_left_behind(con: duckdb.DuckDBPyConnection) -> None:
    standard(con, {"given_name": "ANNA"})
    names = {row[0] for row in con.execute("select table_name from duckdb_tables()").fetchall()}
    assert names == {"records", "standard"}
    assert con.execute("select count(*) from duckdb_views() where not internal").fetchall() == [(0,)]


def test_a_missing_column_is_named(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create table records (record_id varchar)")
    with pytest.raises(StandardiseError, match="given_name"):
        standardise_records(con, "records", "standard")


def test_columns_stay_in_order(con: duckdb.DuckDBPyConnection) -> None:
    [row] = standard(con, {"given_name": "Anna"})
    assert tuple(row) == (*RECORD_COLUMNS, "placeholder_fields")


def test_phone_takes_the_country_then_the_default_region() -> None:
    assert e164("030 1234567", "DE", "US") == "+49301234567"
    assert e164("0049 30 1234567", None, "US") == "+49301234567"
    assert e164("(415) 200-3000 ext. 12", None, "US") == "+14152003000"
    assert e164("12", None, "US") is None


def test_every_placeholder_rule_is_dated_and_reasoned() -> None:
    assert all(rule.reason and rule.since and (rule.values or rule.patterns) for rule in placeholder_rules())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.dictionaries(st.sampled_from(RECORD_COLUMNS[3:17]), st.text(max_size=40), max_size=14),
        min_size=1,
        max_size=5,
    )
)
def test_odd_input_never_fails_and_standard_values_stay(
    con: duckdb.DuckDBPyConnection, rows: list[dict[str, str]]
) -> None:
    clean = [{name: value.replace("\x00", "") for name, value in row.items()} for row in rows]
    once = standard(con, *clean)
    assert len(once) == len(rows)
    con.execute("create or replace table again as select * exclude (placeholder_fields) from standard")
    standardise_records(con, "again", "twice")
    stable = ["email", "phone", "gender", "country", "birth_date", "postcode", "national_id"]
    first = con.execute(f"select {', '.join(stable)} from standard order by record_id").fetchall()
    assert con.execute(f"select {', '.join(stable)} from twice order by record_id").fetchall() == first
