"""Consent, restriction and roles as people use them: entered on the command line, in force after the next run."""

import json

import duckdb
import pytest

from tests.integration.conftest import Company, RunCompany

LAST_DAY = "2026-01-06"


def _rows(company: Company, query: str) -> list[tuple]:
    with duckdb.connect(str(company.warehouse), read_only=True) as con:
        return con.execute(query).fetchall()


def _audience(company: Company) -> dict[str, tuple]:
    return {
        row[0]: row[1:]
        for row in _rows(company, "select customer_id, rfm_segment, address from analysis.marketing_audience where channel = 'email'")
    }  # fmt: skip


@pytest.fixture(scope="module")
def told(company: RunCompany, tmp_path_factory: pytest.TempPathFactory) -> tuple[Company, dict[str, str]]:
    """A copy of the company in which three people of the audience said something, run again."""
    assert company.first.code == 0, company.first.output
    copy = company.copy(tmp_path_factory.mktemp("told") / "data")
    audience = _audience(copy)
    with_segment = [customer for customer, (segment, _) in sorted(audience.items()) if segment]
    (silent,) = _rows(
        copy,
        "select min(customer_id) from marts.dim_customer where email is not null and customer_id not in "
        "(select customer_id from marts.fct_consent)",
    )[0]
    people = {
        "withdrew": with_segment[0],
        "restricted": with_segment[1],
        "objected": with_segment[2],
        "granted": silent,
    }
    emails = {name: audience[customer][1] for name, customer in people.items() if customer in audience}
    for arguments in (
        ["consent", "set", "--email", emails["withdrew"].upper(), "--purpose", "marketing", "--channel", "email",
         "--status", "withdrawn", "--source", "phone"],
        ["consent", "set", "--customer", people["granted"], "--purpose", "marketing", "--channel", "email",
         "--status", "granted", "--source", "store", "--reason", "signed the form"],
        ["restrict", "--customer", people["restricted"], "--reason", "accuracy is contested"],
        ["restrict", "--customer", people["objected"], "--purpose", "profiling", "--reason", "objects"],
    ):  # fmt: skip
        said = copy.kindred(*arguments)
        assert said.code == 0, said.output
    ran = copy.kindred("run", "--date", LAST_DAY)
    assert ran.code == 0, ran.output
    return copy, people


def test_the_audience_has_consent_and_nobody_else_is_in_it(company: RunCompany) -> None:
    allowed = _rows(
        company,
        "select customer_id from marts.fct_consent where purpose = 'marketing' and channel = 'email' and status = 'granted'",
    )
    assert set(_audience(company)) == {customer for (customer,) in allowed} & {
        customer for (customer,) in _rows(company, "select customer_id from marts.dim_customer where email is not null")
    }
    profiled = {
        customer for (customer,) in _rows(company, "select customer_id from marts.customer_permissions where purpose = 'profiling'")
    }  # fmt: skip
    assert {customer for customer, (segment, _) in _audience(company).items() if segment} <= profiled


def test_what_was_said_holds_after_the_next_run(told: tuple[Company, dict[str, str]]) -> None:
    company, people = told
    audience = _audience(company)
    assert people["granted"] in audience
    assert people["withdrew"] not in audience
    assert people["restricted"] not in audience
    # Who objects to profiling may still be written to, without a segment, and is in no statistics about persons.
    assert audience[people["objected"]][0] is None
    scored = {customer for (customer,) in _rows(company, "select customer_id from analysis.customer_rfm")}
    assert scored
    assert not scored & {people["restricted"], people["objected"]}
    # All of them are still served.
    stored = {customer for (customer,) in _rows(company, "select customer_id from marts.customer_360")}
    assert set(people.values()) <= stored


def test_entered_answers_do_not_move_the_day_that_figures_are_of(told: tuple[Company, dict[str, str]]) -> None:
    company, _ = told
    assert _rows(company, "select as_of_date::varchar from integration.int_as_of_date") == [(LAST_DAY,)]
    (sources,) = _rows(company, "select list(distinct source order by source) from integration.int_consent_events")[0]
    assert sources == ["ledger", "marketing"]


def test_it_is_shown_and_in_the_audit_log(told: tuple[Company, dict[str, str]], tmp_path: object) -> None:
    company, people = told
    shown = company.kindred("consent", "show", "--customer", people["restricted"])
    assert shown.code == 0
    assert "Restricted for analytics, marketing, profiling" in shown.output
    exported = company.kindred("audit", "export", "--out", f"{tmp_path}/audit.jsonl")
    assert exported.code == 0, exported.output
    assert company.kindred("audit", "verify", "--file", f"{tmp_path}/audit.jsonl").code == 0
    with open(f"{tmp_path}/audit.jsonl", encoding="utf-8") as file:  # noqa: PTH123
        entries = [json.loads(line) for line in file][:-1]
    actions = [entry["action"] for entry in entries]
    assert actions.count("consent.set") == 2
    assert actions.count("restriction.set") == 2
    assert "publish" in actions
    assert not [entry for entry in entries if any(customer in json.dumps(entry) for customer in people.values())]


def test_a_release_is_entered(told: tuple[Company, dict[str, str]]) -> None:
    company, people = told
    said = company.kindred("release", "--customer", people["restricted"], "--reason", "settled")
    assert said.code == 0
    assert "Released for all" in said.output


def test_roles_are_asked_and_refusals_logged(
    told: tuple[Company, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    company, people = told
    monkeypatch.setenv("KINDRED_USER", "mark@example.com")
    monkeypatch.setenv("KINDRED_ROLE", "marketer")
    assert company.kindred("consent", "show", "--customer", people["granted"]).code == 0
    for arguments in (
        ["consent", "set", "--customer", people["granted"], "--purpose", "marketing", "--channel", "email",
         "--status", "granted", "--source", "x"],
        ["restrict", "--customer", people["granted"], "--reason", "x"],
        ["release", "--customer", people["granted"], "--reason", "x"],
        ["run", "--date", LAST_DAY],
        ["audit", "show"],
        ["quarantine", "show", "crm__contacts"],
        ["quarantine", "discard", "crm__contacts", "--reason", "x"],
        ["source", "remove", "crm", "--yes"],
    ):  # fmt: skip
        said = company.kindred(*arguments)
        assert said.code == 1, (arguments, said.output)
        assert "mark@example.com (marketer) may not do" in said.output
    assert "marketer" in company.kindred("privacy", "roles").output
    monkeypatch.setenv("KINDRED_ROLE", "privacy_officer")
    log = company.kindred("audit", "show", "--limit", "8").output
    assert log.count("access.refuse") == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--email", "nobody@example.com"], "Nothing is held"),
        (["--customer", "cus_x", "--purpose", "fun"], "not known"),
        (["--customer", "cus_x", "--channel", "pigeon"], "not known"),
        (["--customer", "cus_x", "--email", "x@example.com"], "one way"),
        ([], "one way"),
    ],
)
def test_bad_input_is_told(company: RunCompany, arguments: list[str], said: str) -> None:
    given = ["--purpose", "marketing", "--channel", "email", "--status", "withdrawn", "--source", "phone", *arguments]
    outcome = company.kindred("consent", "set", *given)
    assert outcome.code in (1, 2)
    assert said in " ".join(outcome.output.split())
