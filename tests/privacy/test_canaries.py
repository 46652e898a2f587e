"""The proof: a thousand values that stand nowhere else are planted, erased, and looked for in every byte."""

import json
import subprocess
from pathlib import Path

import duckdb
import pytest
from canary_company import FIRST, PEOPLE, SIGN, places_with_canaries, plant
from conftest import KEY, CanaryCompany


@pytest.fixture(scope="module")
def before(canary_company: CanaryCompany) -> dict[str, int]:
    return places_with_canaries(canary_company.data, KEY)


@pytest.fixture(scope="module")
def erased(
    canary_company: CanaryCompany, before: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> tuple[CanaryCompany, subprocess.CompletedProcess[str]]:
    company = canary_company.copy(tmp_path_factory.mktemp("erased") / "data")
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
    assert held[0] > held[1] > 0, "rows that fail and lines that nobody can read are part of the proof"


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


def test_the_accounts_hold_and_nothing_is_loaded_again(
    erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]],
) -> None:
    company, _ = erased
    warehouse = str(company.data / "warehouse" / "kindred.duckdb")
    with duckdb.connect(warehouse, read_only=True) as con:
        wrong = con.execute("select * from quality.reconciliation where difference <> 0").fetchall()
        loads = con.execute("select table_name, load_date, loaded_at from quality.loads order by all").fetchall()
        people = con.execute("select count(*) from marts.dim_customer").fetchall()
    assert wrong == []
    said = company.kindred("run", "--date", str(FIRST.replace(day=6)))
    assert said.returncode == 0, said.stdout + said.stderr
    with duckdb.connect(warehouse, read_only=True) as con:
        assert (
            con.execute("select table_name, load_date, loaded_at from quality.loads order by all").fetchall() == loads
        )
        assert con.execute("select count(*) from marts.dim_customer").fetchall() == people
    assert places_with_canaries(company.data, KEY) == {}


def test_they_do_not_come_back_and_what_is_held_back_is_not_kept(
    erased: tuple[CanaryCompany, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    company, _ = erased
    # Both days are sent again as they first were, canaries included.
    again = CanaryCompany(tmp_path / "again", company.planted)
    made = again.kindred(
        "sample", "--customers", "80", "--days", "2", "--seed", "5", "--out", str(again.data / "landing")
    )
    assert made.returncode == 0
    plant(again.data / "landing")
    day = FIRST.replace(day=6)
    for source in ("crm", "support", "web", "social", "shop"):
        folder = company.data / "landing" / source / str(day)
        for path in folder.glob("*"):
            path.unlink()
        for path in (again.data / "landing" / source / str(day)).glob("*"):
            path.rename(folder / path.name)
    said = company.kindred("run", "--date", str(day))
    assert said.returncode == 0, said.stdout + said.stderr
    with duckdb.connect(str(company.data / "warehouse" / "kindred.duckdb"), read_only=True) as con:
        accounts = con.execute(
            "select table_name, suppressed, difference from quality.reconciliation where load_date = ? order by 1",
            [day],
        ).fetchall()
    held = {name: count for name, count, _ in accounts}
    assert all(difference == 0 for *_, difference in accounts)
    assert held["raw.crm__contacts"] == 3 * PEOPLE
    assert held["raw.web__events"] == 12 * PEOPLE
    assert held["raw.support__tickets"] == 3 * PEOPLE
    assert held["raw.shop__orders"] == 2 * PEOPLE
    assert places_with_canaries(company.data, KEY) == {}
