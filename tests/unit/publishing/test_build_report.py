"""The report page: whole, alone, free of personal values, the same each time, and useful on a young warehouse."""

import re
import stat
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.publishing import PublishingError, build_report
from orchestration.publishing.report_facts import Facts, by_period, check_trend, grain_for, quarantined
from orchestration.publishing.report_words import (
    check_name,
    listed,
    money,
    percent,
    plural,
    readable,
    short_money,
    with_code,
)
from tests.fixtures.company import build_company

CHARTS = {
    "customers-known", "first-activity", "records-per-source", "records-per-customer", "source-overlap", "match-weights",
    "checks", "quarantined", "sales", "rfm", "consent-by-purpose",
}  # fmt: skip


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_company(tmp_path_factory.mktemp("company") / "kindred.duckdb", customers=150)


@pytest.fixture(scope="module")
def page(company: Path) -> str:
    return build_report(company, company.parent / "report.html", run_id="run-9").read_text(encoding="utf-8")


def _drawn(page: str) -> set[str]:
    figures = re.findall(r'<figure id="([^"]+)".*?</figure>', page, re.S)
    return {name for name in figures if "<svg" in page.split(f'<figure id="{name}"')[1].split("</figure>")[0]}


def test_every_chart_is_drawn_and_has_its_numbers(page: str) -> None:
    assert _drawn(page) == CHARTS
    assert page.count("<details>") == len(CHARTS)
    assert page.count('role="img" aria-label="') == len(CHARTS)


def test_headline_numbers_are_those_of_the_warehouse(company: Path, page: str) -> None:
    with duckdb.connect(str(company), read_only=True) as connection:
        records, customers, orders = connection.execute(
            "select (select count(*) from marts.customer_xref), (select count(*) from marts.dim_customer), (select count(*) from marts.fct_orders)"
        ).fetchall()[0]
        revenue = connection.execute("select sum(amount) from marts.fct_orders where is_revenue").fetchall()[0][0]
        held_back = sum(
            connection.execute(f"select count(*) from quarantine.{source}__rows").fetchall()[0][0]
            for source in ("crm", "shop", "web", "support")
        )
    values = re.findall(r'<dd class="value">([^<]+)</dd>', page)
    assert values[:5] == [
        f"{customers:,}",
        f"{records:,}",
        f"{records - customers:,}",
        f"{orders:,}",
        f"£{revenue:,.0f}",
    ]
    assert values[6] == f"{held_back:,}"
    assert f"{records:,} records from 7 sources turned out to be {customers:,} people." in page


def test_nothing_is_loaded_from_outside(page: str) -> None:
    assert "http:" not in page
    assert "https:" not in page
    assert not re.search(r"""(?:src|href|action|xlink:href)\s*=\s*["'](?!#|data:)""", page)
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|importScripts", page)
    assert "default-src 'none'" in page


def test_no_personal_value_is_on_the_page(company: Path, page: str) -> None:
    with duckdb.connect(str(company), read_only=True) as connection:
        for column in (
            "given_name",
            "family_name",
            "email",
            "phone",
            "street",
            "postcode",
            "national_id",
            "customer_id",
        ):
            for (value,) in connection.execute(f"select {column} from marts.dim_customer").fetchall():
                assert value not in page
        for (value,) in connection.execute("select record_id from marts.customer_xref").fetchall():
            assert value not in page
    assert "31/02/1990" not in page


def test_check_messages_that_may_quote_values_stay_out(company: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "kindred.duckdb"
    warehouse.write_bytes(company.read_bytes())
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "update quality.check_results set success = false, observed = 'zoë@canary.example', message = 'zoë@canary.example', unexpected_count = 3"
        )
    assert "canary" not in build_report(warehouse, tmp_path / "report.html").read_text(encoding="utf-8")


def test_ids_inside_the_drawings_do_not_clash(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_the_same_warehouse_gives_the_same_page(company: Path, page: str, tmp_path: Path) -> None:
    again = build_report(company, tmp_path, run_id="run-9")
    assert again == tmp_path / "report.html"
    assert again.read_text(encoding="utf-8") == page
    assert stat.S_IMODE(again.stat().st_mode) == 0o640


def test_the_page_stays_small(page: str) -> None:
    assert len(page.encode()) < 1_000_000


def test_names_from_data_are_escaped(company: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "kindred.duckdb"
    warehouse.write_bytes(company.read_bytes())
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("update analysis.customer_rfm set rfm_segment = '<script>alert(1)</script>'")
        connection.execute("update marts.fct_consent set purpose = '\"><img src=x>'")
    page = build_report(warehouse, tmp_path / "report.html", title="<b>Firm</b>").read_text(encoding="utf-8")
    assert "<script>alert" not in page.lower()
    assert "<img" not in page
    assert "<b>Firm" not in page


def test_an_empty_warehouse_says_what_is_missing(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "kindred.duckdb")) as connection:
        connection.execute("create schema marts")
    page = build_report(tmp_path / "kindred.duckdb", tmp_path / "report.html").read_text(encoding="utf-8")
    assert _drawn(page) == set()
    assert "No customers yet" in page
    assert page.count('class="missing"') == len(CHARTS) + 1


def test_tables_without_rows_count_as_missing(company: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "kindred.duckdb"
    warehouse.write_bytes(company.read_bytes())
    with duckdb.connect(str(warehouse)) as connection:
        for (table,) in connection.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall():
            connection.execute(f"delete from {table}")
    page = build_report(warehouse, tmp_path / "report.html").read_text(encoding="utf-8")
    assert _drawn(page) == set()


def test_one_source_without_orders(tmp_path: Path) -> None:
    warehouse = tmp_path / "kindred.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("""
            create schema marts;
            create table marts.dim_customer as select 'c' || i as customer_id, date '2026-01-05' as first_seen_on from range(40) r(i);
            create table marts.customer_xref as select 'crm:' || i as record_id, 'c' || (i % 40) as customer_id, 'crm' as source,
                date '2026-01-05' as load_date, date '2026-01-05' as first_load_date from range(43) r(i);
        """)
    page = build_report(warehouse, tmp_path / "report.html").read_text(encoding="utf-8")
    assert _drawn(page) == {"customers-known", "records-per-source", "records-per-customer"}
    assert "43 records from 1 source turned out to be 40 people." in page


def test_currencies_are_never_added_up(company: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "kindred.duckdb"
    warehouse.write_bytes(company.read_bytes())
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("update marts.fct_orders set currency = 'EUR' where hash(order_id) % 4 = 0")
        pounds = connection.execute(
            "select sum(amount) from marts.fct_orders where is_revenue and currency = 'GBP'"
        ).fetchall()[0][0]
    page = build_report(warehouse, tmp_path / "report.html").read_text(encoding="utf-8")
    assert f'<dd class="value">£{pounds:,.0f}</dd>' in page
    assert "Only orders in GBP are shown" in page


def test_a_missing_warehouse_and_a_bad_target_are_named(company: Path, tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match="kindred run"):
        build_report(tmp_path / "none.duckdb", tmp_path / "report.html")
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishingError, match="could not be made"):
        build_report(company, tmp_path / "file" / "report.html")


def test_a_table_checked_again_counts_once() -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            create schema quality;
            create table quality.check_results as
            select * from (values
                ('a', date '2026-01-05', timestamp '2026-01-05 06:00:00', 'raw.crm', 'e1', 'x', 'table', 'block', false, true),
                ('b', date '2026-01-05', timestamp '2026-01-05 07:00:00', 'raw.crm', 'e1', 'x', 'table', 'block', true, true),
                ('b', date '2026-01-05', timestamp '2026-01-05 07:00:00', 'raw.crm', 'e2', 'x', 'table', 'warn', false, true),
                ('b', date '2026-01-05', timestamp '2026-01-05 07:00:00', 'raw.crm', 'e4', 'x', 'row', 'block', false, true),
                ('b', date '2026-01-05', timestamp '2026-01-05 07:00:00', 'raw.crm', 'e3', 'x', 'table', 'block', false, false),
                ('a', date '2026-01-05', timestamp '2026-01-05 06:00:00', 'raw.shop', 'e1', 'x', 'table', 'block', true, true)
            ) as t(run_id, load_date, checked_at, table_name, expectation, column_name, level, severity, success, evaluated)
        """)
        assert check_trend(Facts(connection)) == [
            {"period": date(2026, 1, 5), "passed": 2, "warned": 1, "held": 1, "failed": 0, "unevaluated": 1}
        ]


def test_a_row_that_failed_two_checks_counts_once() -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            create schema quarantine;
            create table quarantine.crm__contacts as
            select * from (values
                (date '2026-01-05', 'c.csv', 7, 'k7'), (date '2026-01-05', 'c.csv', 7, 'k7'), (date '2026-01-05', 'c.csv', 8, 'k8'),
                (date '2026-01-05', null, null, 'k9')
            ) as t(load_date, file, row_number, row_key)
        """)
        assert [row["rows"] for row in quarantined(Facts(connection))] == [3]


def test_the_threshold_is_drawn_when_it_is_known(company: Path, page: str, tmp_path: Path) -> None:
    assert ">threshold" not in page
    told = build_report(company, tmp_path, match_threshold=4.25).read_text(encoding="utf-8")
    assert ">threshold 4.2<" in told


def test_revenue_is_that_of_the_reporting_currency(company: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "kindred.duckdb"
    warehouse.write_bytes(company.read_bytes())
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("alter table marts.fct_orders add column reporting_currency varchar default 'EUR'")
        connection.execute("alter table marts.fct_orders add column amount_reporting decimal(14, 2)")
        connection.execute("update marts.fct_orders set amount_reporting = case when is_revenue then 2 end")
        (counted, missing) = connection.execute(
            "select count(*) filter (is_revenue), count(*) filter (not is_revenue) from marts.fct_orders"
        ).fetchall()[0]
    page = build_report(warehouse, tmp_path / "report.html").read_text(encoding="utf-8")
    assert f'<dd class="value">€{2 * counted:,}</dd>' in page
    assert f"without {missing} orders in other currencies" in page


def test_time_is_added_up_without_gaps() -> None:
    grain, rows = by_period([{"period": date(2024, 11, 3), "n": 2}, {"period": date(2025, 2, 9), "n": 5}], ["n"])
    assert grain.name == "month"
    assert [(row["period"], row["n"]) for row in rows] == [
        (date(2024, 11, 1), 2), (date(2024, 12, 1), 0), (date(2025, 1, 1), 0), (date(2025, 2, 1), 5),
    ]  # fmt: skip
    assert grain_for(date(2026, 1, 1), date(2026, 2, 1)).name == "day"
    assert grain_for(date(1900, 1, 1), date(2026, 1, 1)).name == "year"


def test_words() -> None:
    assert percent(1, 3000) == "<0.1%"
    assert percent(0, 0) == "0%"
    assert percent(1, 40) == "2.5%"
    assert plural(1, "row") == "1 row"
    assert plural(1200, "row") == "1,200 rows"
    assert money(-1234.5, "GBP") == "-£1,234"
    assert money(10, "CHF") == "CHF 10"
    assert short_money(2_340_000, "EUR") == "€2.3 m"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed([]) == ""
    assert check_name("expect_column_values_to_not_be_null:email") == "Not null"
    assert check_name("unique_key") == "Unique key"
    assert readable("at_risk") == "At risk"
    assert with_code("run `kindred <x>` now") == "run <code>kindred &lt;x&gt;</code> now"
