"""Data Docs open without the network, name what failed, and show no person's value."""

import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from expectations.suites import GatedTable
from orchestration.quality import RunContext
from orchestration.quality.data_docs import build_data_docs, make_self_contained
from orchestration.quality.gate import run_gate
from orchestration.sources.contract import Column, Table
from orchestration.warehouse import connect

DAY = date(2026, 1, 5)
SECRET = "anna.secret-at-example"
LOADING = {"src", "href", "data", "srcset", "poster", "action", "xlink:href"}


class _Requests(HTMLParser):
    """Collects what a browser would fetch from elsewhere when it opens the page, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.external: list[str] = []
        self.scripts = 0
        self.local: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in LOADING and value:
                if re.match(r"(https?:)?//", value.strip()):
                    self.external.append(f"<{tag} {name}={value}>")
                elif not value.startswith(("#", "data:")):
                    self.local.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    warehouse = folder / "warehouse.duckdb"
    table = Table(
        "src",
        "people",
        "*.csv",
        "",
        (),
        None,
        (
            Column("id", "id", "varchar", None, "", None, "internal", True, True),
            Column("email", "email", "varchar", None, "", None, "personal", False, False, {"pattern": "@"}),
            Column("gone", "gone", "varchar", None, "", None, "internal", True, False),
        ),
    )
    gate = GatedTable(
        "collection", "raw", "src__people", ("id",), "expectations.suites.raw", "load_date", expects_rows=True
    )
    with connect(warehouse) as con:
        con.execute("create schema raw")
        con.execute(
            f"create table raw.src__people as select 'p' || i as id, case i when 3 then '{SECRET}' else 'p@x.org' end as email,"
            f" date '{DAY}' as _load_date, 'f' as _file, i as _row from range(50) as t(i)"
        )
    run_gate(warehouse, gate, RunContext("run-1", DAY), table)
    stale = folder / "quality" / "data_docs" / "stale.html"
    stale.parent.mkdir(parents=True)
    stale.write_text(SECRET)
    index = build_data_docs(folder / "quality" / "data_docs", warehouse)
    assert index == folder / "quality" / "data_docs" / "index.html"
    return index.parent


def test_no_page_requests_anything_from_outside(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) >= 2
    for page in pages:
        found = _Requests()
        text = page.read_text(encoding="utf-8")
        found.feed(text)
        assert found.external == []
        assert found.scripts == 0
        assert not re.search(r"url\(\s*[\"']?(https?:)?//", text)
        assert not re.search(r"@import", text)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(\s*[\"']?|@import[^;]*)(https?:)?//", sheet.read_text(encoding="utf-8"))


def test_links_and_images_of_pages_exist(site: Path) -> None:
    for page in site.rglob("*.html"):
        found = _Requests()
        found.feed(page.read_text(encoding="utf-8"))
        for link in found.local:
            target = page.parent / link.split("#")[0].split("?")[0]
            assert target.resolve().exists(), f"{page.name} -> {link}"


def test_the_index_leads_to_each_table(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    [link] = re.findall(r"<a href='([^']+)'>raw\.src__people</a>", text)
    page = (site / link).read_text(encoding="utf-8")
    assert "run-1" in page
    assert "gone" in page


def test_pages_show_counts_and_no_value(site: Path) -> None:
    [page] = (site / "validations").rglob("*.html")
    text = page.read_text(encoding="utf-8")
    assert re.search(r"\b2%\s*unexpected|\b2\W*%", text)
    for file in site.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes()


def test_what_is_kept_for_the_docs_holds_no_value(site: Path) -> None:
    with connect(site.parent.parent / "warehouse.duckdb") as con:
        kept = con.execute("select string_agg(result::varchar) from quality.validations").fetchall()
        results = con.execute("select string_agg(check_results::varchar) from quality.check_results").fetchall()
    assert SECRET not in str(kept) + str(results)


def test_an_empty_warehouse_gives_an_empty_index(tmp_path: Path) -> None:
    index = build_data_docs(tmp_path / "docs", tmp_path / "warehouse.duckdb")
    assert "<table" in index.read_text(encoding="utf-8")


def test_ways_out_of_a_page_are_closed(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        "<html><head><link rel='stylesheet' href='https://cdn.example/a.css'><script src='//cdn.example/a.js'></script>"
        "<style>@import 'https://cdn.example/b.css'; body { background: url(https://x.example/a.png) }</style></head>"
        "<body><img src=\"http://x.example/logo.png\"><a href='https://x.example'>out</a>"
        "<a href='#here'>in</a></body></html>",
        encoding="utf-8",
    )
    make_self_contained(tmp_path)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "example" not in text
    assert "href='#here'" in text
