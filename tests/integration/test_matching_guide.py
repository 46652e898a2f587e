"""docs/how-matching-works.md, command by command on the sample company: it runs, and does to ids what it says."""

import re
import shlex
from pathlib import Path

import duckdb
import pytest

from orchestration.config import PROJECT_ROOT
from tests.integration.conftest import Company, RunCompany

GUIDE = PROJECT_ROOT / "docs" / "how-matching-works.md"
STATE = ("resolution.memberships", "resolution.customer_ids", "resolution.id_events", "marts.customer_id_redirects")
DECIDE, RUN, UNDO = "kindred review --decide", "kindred run", "kindred review --undo"


def commands() -> list[str]:
    return re.findall(r"^    (kindred .*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)


def query(company: Company, statement: str, *parameters: object) -> list[tuple]:
    with duckdb.connect(str(company.warehouse), read_only=True) as con:
        return con.execute(statement, list(parameters)).fetchall()


def state(company: Company) -> dict[str, list[tuple]]:
    return {table: query(company, f"select * from {table} order by all") for table in STATE}


def customer_of(company: Company, record: str) -> str:
    ((customer,),) = query(company, "select customer_id from resolution.memberships where record_id = ?", record)
    return str(customer)


@pytest.fixture(scope="module")
def office(company: RunCompany, tmp_path_factory: pytest.TempPathFactory) -> Company:
    return company.copy(tmp_path_factory.mktemp("office") / "data")


def test_the_guide_walks_through_the_sample_that_the_tests_run(company: RunCompany) -> None:
    assert commands()[:2] == ["kindred sample --customers 250 --days 2 --seed 3", "kindred run --all"]
    assert company.first.code == 0, company.first.output


def test_looking_changes_nothing(office: Company, tmp_path: Path) -> None:
    before = state(office)
    looking = commands()[2 : next(n for n, command in enumerate(commands()) if command.startswith(DECIDE))]
    assert len(looking) >= 6
    for command in looking:
        arguments = [str(tmp_path / word) if word.endswith(".html") else word for word in shlex.split(command)[1:]]
        said = office.kindred(*arguments)
        assert said.code == 0, f"{command}\n{said.output}"
        if "--html" in arguments:
            assert "<svg" in (tmp_path / "joe.html").read_text(encoding="utf-8")
    assert state(office) == before


def test_joe_and_joseph_are_one_customer_for_the_reasons_given(office: Company) -> None:
    said = office.kindred("explain", "crm:C0000139", "shop:S0000171").output
    assert customer_of(office, "crm:C0000139") == customer_of(office, "shop:S0000171")
    for line in ("nickname", "phone: same", "evidence that travels together", "They are one customer"):
        assert line in said


def test_a_decision_of_the_guide_merges_and_the_old_id_leads_on(office: Company) -> None:
    words = shlex.split(next(command for command in commands() if command.startswith(DECIDE)))
    one, other = words[3:5]
    if customer_of(office, one) == customer_of(office, other):
        # Another model joins the guide's pair by itself: take the first that it keeps apart although it is one person.
        one, other = words[3:5] = query(
            office,
            """
            select queue.record_id_l, queue.record_id_r
            from resolution.review_queue as queue
            inner join read_parquet(?) as l on queue.record_id_l = l.record_id
            inner join read_parquet(?) as r on queue.record_id_r = r.record_id
            where queue.reason like 'may be one%' and l.person_id = r.person_id
            order by queue.rank
            """,
            *[str(office.data / "sample_truth" / "records.parquet")] * 2,
        )[0]
    before = {record: customer_of(office, record) for record in (one, other)}
    for command in (words[1:], [RUN.split()[1]]):
        said = office.kindred(*command)
        assert said.code == 0, said.output
    living = customer_of(office, one)
    assert living == customer_of(office, other)
    (retired,) = set(before.values()) - {living}
    assert (retired, living, "judgement") in query(
        office, "select customer_id, current_customer_id, cause from marts.customer_id_redirects"
    )
    ((kind, evidence),) = query(
        office,
        "select kind, evidence::varchar from resolution.id_events where customer_id = ? and kind <> 'minted'",
        retired,
    )
    assert kind == "merged"
    assert "judgement 1" in evidence
    assert f"leads to {living}" in office.kindred("explain", retired).output
    with duckdb.connect(str(office.published), read_only=True) as con:
        assert len(con.execute("select * from marts.customer_id_redirects").fetchall()) >= 1


def test_a_warehouse_rebuilt_from_landing_and_ledger_has_the_same_ids(office: Company) -> None:
    lived = state(office)
    for file in office.warehouse.parent.glob("kindred.duckdb*"):
        file.unlink()
    said = office.kindred("run", "--all")
    assert said.code == 0, said.output
    assert state(office) == lived


def test_what_was_decided_is_taken_back(office: Company) -> None:
    said = office.kindred(*shlex.split(next(command for command in commands() if command.startswith(UNDO)))[1:])
    assert said.code == 0, said.output
    assert "taken back" in said.output
