"""The proof: a thousand values that stand nowhere else are planted, erased, and looked for in every byte."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from canary_company import DAYS, FIRST, KEY, PEOPLE, SIGN, CanaryCompany, places_with_canaries, plant

from orchestration.config import PROJECT_ROOT
from orchestration.sample import generate
from orchestration.sources.contract import load_contracts
from orchestration.sources.load import day_fingerprint


@pytest.fixture(scope="module")
def before(canary_company: CanaryCompany) -> dict[str, int]:
    return places_with_canaries(canary_company.data, KEY)


def mention_elsewhere(company: CanaryCompany) -> None:
    """Let pages and a position of reading quote canaries, as a message of a failed check or a source read by id would."""
    # Where `kindred docs` puts dbt's page.
    (company.data / "dbt" / "target" / "static_index.html").write_text("<html></html>", encoding="utf-8")
    email = company.planted.emails[0]
    pages = [
        company.data / "dbt" / "target" / "static_index.html",
        company.data / "published" / "report.html",
        *(company.data / "quality" / "data_docs").rglob("index.html"),
    ]
    assert len(pages) > 2
    for page in pages:
        page.write_text(page.read_text(encoding="utf-8") + f"<!-- {email} -->", encoding="utf-8")
    position = {"cursor": f"{SIGN}C{PEOPLE - 1}", "marks": ["a hash of a row"]}
    state = {"cursor": "contact_id", "from": None, "to": position, "rows": 9, "left_out": []}
    content = {"version": 1, "tables": {"contacts": state}}
    position_of(company).write_text(json.dumps(content), encoding="utf-8")
    found = places_with_canaries(company.data, KEY)
    for path in (*pages, position_of(company)):
        assert path.relative_to(company.data).as_posix() in found


def position_of(company: CanaryCompany) -> Path:
    """The position of reading beside the second day of the CRM."""
    return company.data / "landing" / "crm" / str(FIRST.replace(day=6)) / "_state.json"


@pytest.fixture(scope="module")
def erased(
    canary_company: CanaryCompany, before: dict[str, int]
) -> tuple[CanaryCompany, subprocess.CompletedProcess[str]]:
    company = canary_company.put_back()
    mention_elsewhere(company)
    records = [
        item for person in range(PEOPLE) for record in company.planted.records[person] for item in ("--record", record)
    ]
    return company, company.kindred("erase", *records)


def test_the_search_finds_canaries_before_the_erasure(canary_company: CanaryCompany, before: dict[str, int]) -> None:
    assert len(canary_company.planted.values) >= 1000
    for store in ("landing/crm", "landing/web", "landing/shop", "warehouse/", "published/"):
        assert any(name.startswith(store) for name in before), f"{store}: {sorted(before)}"
    with duckdb.connect(str(canary_company.data / "warehouse" / "kindred.duckdb"), read_only=True) as con:
        held = con.execute(
            "select count(*), count(*) filter (where check_name = 'malformed_line') from quarantine.crm__contacts "
            f"where record::varchar ilike '%{SIGN}%'"
        ).fetchall()[0]
        people = con.execute(
            f"select count(distinct customer_id) from resolution.memberships where record_id ilike '%:{SIGN}C%'"
        ).fetchall()[0][0]
    assert held[0] > held[1] > 0, "rows that fail and lines that nobody can read are part of the proof"
    assert people == PEOPLE, "the proof is of several people"


def test_no_byte_of_them_is_left(erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]]) -> None:
    company, said = erased
    assert said.returncode == 0, said.stdout + said.stderr
    assert places_with_canaries(company.data, KEY) == {}


def test_the_certificate_says_so_and_names_nobody(
    erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]], before: dict[str, int]
) -> None:
    company, _ = erased
    (path,) = (company.data / "privacy" / "certificates").glob("*.json")
    content = json.loads(path.read_text())
    assert content["residual_scan"]["findings"] == 0
    assert all(item["unchanged"] for item in content["other_peoples_rows"])
    assert all(item["found"] == item["removed"] for item in content["stores"]), content["stores"]
    landed = {
        item["store"].removeprefix("landing ") for item in content["stores"] if item["store"].startswith("landing ")
    }
    assert {name.removeprefix("landing/") for name in before if name.startswith("landing/")} == landed
    assert not list((company.data / "privacy" / "open").glob("*")), "what was needed to go on is destroyed"


def test_the_audit_chain_is_whole(erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]]) -> None:
    company, _ = erased
    said = company.kindred("audit", "verify")
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_position_of_reading_is_put_back_by_a_row(
    erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]],
) -> None:
    company, _ = erased
    position = json.loads(position_of(company).read_text())["tables"]["contacts"]["to"]
    with duckdb.connect(str(company.data / "warehouse" / "kindred.duckdb"), read_only=True) as con:
        assert con.execute("select max(contact_id) from raw.crm__contacts").fetchall() == [(position["cursor"],)]
    assert position["marks"] == []


def test_the_accounts_hold_and_nothing_would_be_loaded_again(
    erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]],
) -> None:
    company, _ = erased
    contracts = load_contracts(PROJECT_ROOT / "data" / "contracts")
    with duckdb.connect(str(company.data / "warehouse" / "kindred.duckdb"), read_only=True) as con:
        assert con.execute("select * from quality.reconciliation where difference <> 0").fetchall() == []
        loads = con.execute("select distinct table_name, load_date, fingerprint from quality.loads").fetchall()
    landed = {
        (f"raw.{table.raw_name}", day, day_fingerprint(contract, table, day, company.data / "landing"))
        for contract in contracts
        for table in contract.tables
        for day in (FIRST, FIRST.replace(day=6))
    }
    assert set(loads) <= landed and loads


def test_what_somebody_else_did_in_the_same_browser_stays(
    erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]],
) -> None:
    company, _ = erased
    with duckdb.connect(str(company.data / "warehouse" / "kindred.duckdb"), read_only=True) as con:
        left = [
            con.execute(f"select count(*) from {table} where anonymous_id = 'browser-of-a-household'").fetchall()
            for table in ("raw.web__events", "integration.int_customer_events", "marts.fct_interactions")
        ]
    assert left == 3 * [[(3 * DAYS,)]]


def test_ids_end_and_other_ids_are_as_they_were(
    canary_company: CanaryCompany, erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]]
) -> None:
    before, after = (_ids(company) for company in (canary_company, erased[0]))
    gone = set(before.memberships) - set(after.memberships)
    assert {record for records in canary_company.planted.records.values() for record in records} <= gone
    ended = {before.memberships[record] for record in gone}
    assert {record: before.memberships[record] for record in after.memberships} == after.memberships
    assert after.retired == {**before.retired, **dict.fromkeys(ended, ("erasure", None))}
    assert after.redirects == after.retired
    assert {customer for kind, customer, cause in after.events if (kind, cause) == ("retired", "erasure")} == ended
    assert set(before.events) <= set(after.events)


@dataclass(frozen=True)
class Ids:
    """What a warehouse knows of customer ids."""

    memberships: dict[str, str]
    retired: dict[str, tuple[str, str | None]]
    redirects: dict[str, tuple[str, str | None]]
    events: list[tuple[str, str, str]]


def _ids(company: CanaryCompany) -> Ids:
    with duckdb.connect(str(company.data / "warehouse" / "kindred.duckdb"), read_only=True) as con:
        ended = "select customer_id, cause, current_customer_id from {} where retired_on is not null"
        return Ids(
            dict(con.execute("select record_id, customer_id from resolution.memberships").fetchall()),
            *(
                {row[0]: (row[1], row[2]) for row in con.execute(ended.format(table)).fetchall()}
                for table in ("resolution.customer_ids", "marts.customer_id_redirects")
            ),
            con.execute("select kind, customer_id, cause from resolution.id_events order by all").fetchall(),
        )


def test_they_do_not_come_back_and_what_is_held_back_is_not_kept(
    erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    company, _ = erased
    # Both days are sent again as they first were, canaries included.
    again = tmp_path / "landing"
    generate(80, DAYS, 5, again)
    plant(again)
    day = FIRST.replace(day=6)
    for source in ("crm", "support", "web", "social", "shop"):
        folder = company.data / "landing" / source / str(day)
        for path in folder.glob("*"):
            path.unlink()
        for path in (again / source / str(day)).glob("*"):
            path.rename(folder / path.name)
    ids = _ids(company)
    said = company.kindred("run", "--date", str(day))
    assert said.returncode == 0, said.stdout + said.stderr
    # Linkage had forgotten its memory: this run was a full one, and gave everybody the ids that they had.
    assert _ids(company) == ids
    with duckdb.connect(str(company.data / "warehouse" / "kindred.duckdb"), read_only=True) as con:
        accounts = con.execute(
            "select table_name, suppressed, difference from quality.reconciliation where load_date = ? order by 1",
            [day],
        ).fetchall()
    held = {name: count for name, count, _ in accounts}
    assert all(difference == 0 for *_, difference in accounts)
    assert held["raw.crm__contacts"] == 3 * PEOPLE + 1
    # One line of each breaks off; three events are of the browser that somebody else uses too.
    assert held["raw.web__events"] == 13 * PEOPLE + 3
    assert held["raw.support__tickets"] == 3 * PEOPLE
    assert held["raw.shop__orders"] == 2 * PEOPLE
    assert places_with_canaries(company.data, KEY) == {}
