"""Requests that cannot be answered as asked, and erasures that are interrupted: a clear message, never a false certificate."""

import json
import resource
import shutil
import signal
from pathlib import Path

import pytest
from canary_company import KEY, SECRET, CanaryCompany

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.duckdb_files import opened
from orchestration.ledger.audit import entries
from orchestration.ledger.errors import LedgerError
from orchestration.ledger.requests import read_requests
from orchestration.ledger.store import Ledger
from orchestration.privacy import erasure
from orchestration.privacy.closure import Selector
from orchestration.privacy.errors import (
    AlreadyErasedError,
    AmbiguousPersonError,
    ErasureError,
    PrivacyError,
    ResidueError,
    UnknownPersonError,
)
from orchestration.privacy.holdings import count_holdings
from orchestration.privacy.subject_export import export_subject
from orchestration.project import Project
from orchestration.republish import republish
from orchestration.warehouse import WarehouseLockedError


@pytest.fixture
def project(canary_company: CanaryCompany) -> Project:
    company = canary_company.put_back()
    return Project(
        Settings(data=company.data, contracts=PROJECT_ROOT / "data" / "contracts", secret=SECRET, encryption_key=None)
    )


@pytest.fixture
def person(canary_company: CanaryCompany) -> Selector:
    return Selector("email", canary_company.planted.emails[0])


def unpublish(project: Project, _: object) -> None:
    """Stands in for publishing anew, which takes long and is tried elsewhere."""
    for folder in (project.settings.published, project.settings.quality / "data_docs"):
        shutil.rmtree(folder, ignore_errors=True)


def _certificates(project: Project) -> list[Path]:
    return sorted((project.settings.data / "privacy" / "certificates").glob("*.json"))


def _hashes(project: Project) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(project.settings.landing.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "selector",
    [Selector("email", "nobody@nowhere.example"), Selector("customer", "cus_0"), Selector("record", "crm:none")],
)
def test_an_unknown_person_is_told(project: Project, selector: Selector) -> None:
    with pytest.raises(UnknownPersonError, match="nothing is held under"):
        erasure.erase(project, [selector], unpublish)
    assert read_requests(Ledger.of(project.settings)) == []


def test_a_shared_address_is_not_guessed(project: Project) -> None:
    with project.warehouse() as con:
        pair = con.execute(
            "select min(record_id), max(record_id) from resolution.memberships where customer_id in "
            "(select customer_id from resolution.memberships group by all order by customer_id limit 2) "
            "group by customer_id order by customer_id"
        ).fetchall()
        ids = [row[0] for row in pair]
        con.execute(
            "update cleansing.standardised_records set email = 'shared@home.example' where record_id in (?, ?)", ids
        )
        customers = {
            row[0]
            for row in con.execute(
                "select customer_id from resolution.memberships where record_id in (?, ?)", ids
            ).fetchall()
        }
    with pytest.raises(AmbiguousPersonError) as told:
        erasure.plan(project, [Selector("email", "Shared@home.example")])
    assert {candidate.customer_id for candidate in told.value.candidates} == customers
    assert all(customer in str(told.value) for customer in customers)


def test_a_dry_run_changes_nothing(project: Project, person: Selector) -> None:
    before = _hashes(project)
    plan = erasure.plan(project, [person])
    assert plan.people == 1 and sum(item.rows for item in plan.holdings) > 100
    assert _hashes(project) == before
    assert read_requests(Ledger.of(project.settings)) == []


def test_what_erasure_removes_is_what_access_exports(project: Project, person: Selector, tmp_path: Path) -> None:
    exported = export_subject(project, person, tmp_path / "out", "tester")
    content = json.loads(exported.json.read_text(encoding="utf-8"))
    shown = {
        (store, name): len(rows)
        for store in ("landing", "warehouse", "ledger")
        for name, rows in content[store].items()
    }
    assert {(item.store, item.name): item.rows for item in exported.holdings} == shown
    assert {path.stat().st_mode & 0o777 for path in (exported.json, exported.page)} == {0o600}
    assert person.value in exported.page.read_text(encoding="utf-8")
    assert entries(Ledger.of(project.settings))[-1].action == "access.export"
    with pytest.raises(PrivacyError, match="not empty"):
        export_subject(project, person, tmp_path / "out", "tester")
    done = erasure.erase(project, [person], unpublish)
    assert {f"{store} {name}": rows for (store, name), rows in shown.items()} == dict(done.removed)
    with pytest.raises(AlreadyErasedError, match=done.request_id) as told:
        erasure.erase(project, [person], unpublish)
    assert str(done.certificate) in str(told.value)


def test_an_erasure_during_a_run_is_refused(project: Project, person: Selector) -> None:
    with project.exclusive(), pytest.raises(WarehouseLockedError, match="Another run"):
        erasure.erase(Project(project.settings), [person], unpublish)
    assert _certificates(project) == []


def test_a_ledger_that_cannot_be_written_stops_before_anything_is_removed(project: Project, person: Selector) -> None:
    folder = project.settings.data / "ledger"
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("no folder")
    before = _hashes(project)
    with pytest.raises(LedgerError, match="ledger"):
        erasure.erase(project, [person], unpublish)
    assert _hashes(project) == before and _certificates(project) == []


def test_a_read_only_ledger_stops_before_anything_is_removed(project: Project, person: Selector) -> None:
    ledger = Ledger.of(project.settings)
    with ledger.writing():
        pass
    ledger.close()
    # Through SQLite rather than by permissions, which do not bind root.
    path = project.settings.data / "ledger" / "ledger.sqlite"
    reading = project.settings.model_copy(update={"ledger_url": f"sqlite:///file:{path}?mode=ro&uri=true"})
    before = _hashes(project)
    with pytest.raises(LedgerError, match="cannot be written"):
        erasure.erase(Project(reading), [person], unpublish)
    assert _hashes(project) == before and _certificates(project) == []
    assert not list((project.settings.data / "privacy" / "open").glob("*")), "nothing is left that names the person"


@pytest.mark.parametrize("step", ["landing", "warehouse", "rewrite"])
def test_an_interrupted_erasure_goes_on(project: Project, person: Selector, step: str) -> None:
    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        if name == step:
            raise Killed

    with pytest.raises(Killed):
        erasure.erase(project, [person], unpublish, kill)
    (request,) = read_requests(Ledger.of(project.settings))
    assert request.completed_at is None and _certificates(project) == []
    with pytest.raises(PrivacyError, match="--resume"):
        erasure.erase(project, [Selector("email", "another@nowhere.example")], unpublish)
    (done,) = erasure.resume(project, unpublish)
    assert done.request_id == request.request_id and done.certificate.exists()
    assert {f"{item.store} {item.name}": item.rows for item in done.holdings} == dict(done.removed)
    assert erasure.resume(project, unpublish) == []


def test_a_full_disk_in_the_middle_certifies_nothing(project: Project, person: Selector) -> None:
    with FileSizeLimit(200_000), pytest.raises(ErasureError, match="disk is full"):
        erasure.erase(project, [person], unpublish)
    assert _certificates(project) == []
    (done,) = erasure.resume(project, unpublish)
    assert done.certificate.exists()


def test_what_is_left_anywhere_is_told_instead_of_certified(project: Project, person: Selector) -> None:
    stray = project.settings.landing / "elsewhere" / "copy.txt"
    stray.parent.mkdir(parents=True)
    stray.write_text(f"call {person.value} back")
    with pytest.raises(ResidueError, match=r"landing/elsewhere/copy\.txt"):
        erasure.erase(project, [person], unpublish)
    assert _certificates(project) == []
    stray.unlink()
    (done,) = erasure.resume(project, unpublish)
    assert done.certificate.exists()


def test_an_erasure_publishes_nothing_that_a_gate_has_stopped(project: Project, person: Selector) -> None:
    project = Project(project.settings.model_copy(update={"encryption_key": KEY}))
    settings = project.settings
    report = (settings.published / "report.html").read_bytes()
    with project.warehouse() as con:
        (customer,) = con.execute(
            "select customer_id from resolution.memberships natural join cleansing.standardised_records where email = ?",
            [person.value],
        ).fetchall()[0]
        (people,) = con.execute("select count(*) from marts.dim_customer").fetchall()[0]
        # What a later run leaves behind that a gate has stopped in its last stage.
        con.execute(
            "insert into quality.check_results select * replace ('stopped' as run_id, checked_at + interval 1 day as checked_at) "
            "from quality.check_results order by checked_at desc limit 1"
        )
        con.execute("update marts.dim_customer set gender = 'refused', country = 'refused'")
        con.execute("update analysis.daily_kpis set orders = -1")
    assert erasure.erase(project, [person], republish).certificate.exists()
    for name in ("customers.duckdb", "analytics.duckdb", "public.duckdb"):
        with opened(settings.published / name, read_only=True) as con:
            tables = [row[0] for row in con.execute("select table_name from meta.tables").fetchall()]
            text = "\n".join(str(con.execute(f"from {table}").fetchall()) for table in tables)
            assert "refused" not in text and customer not in text
            if "marts.dim_customer" in tables:
                assert con.execute("select count(*) from marts.dim_customer").fetchall() == [(people - 1,)]
                assert con.execute("select min(orders) >= 0 from analysis.daily_kpis").fetchall() == [(True,)]
    assert (settings.published / "report.html").read_bytes() == report
    noted = [entry for entry in entries(Ledger.of(settings)) if entry.action == "publish"][-3:]
    assert {entry.subject for entry in noted} == {"customers.duckdb", "analytics.duckdb", "public.duckdb"}
    assert all(entry.details["after_erasure"] and "sha256" in entry.details for entry in noted)


class FileSizeLimit:
    """No file may grow beyond so many bytes: what a full disk looks like to a program."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> None:
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.before[1]))

    def __exit__(self, *_: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)
        signal.signal(signal.SIGXFSZ, self.handler)


def test_every_table_with_people_says_whose_rows_they_are(project: Project) -> None:
    """A table of the warehouse with text of people in it, and none of the columns by which erasure walks, would be missed."""
    from orchestration.privacy.relations import relations

    with project.warehouse() as con:
        for item in relations(con):
            if item.condition("held") is not None:
                continue
            found = [
                name
                for name in item.texts
                if con.execute(
                    f"select count(*) from {item.sql} where \"{name}\"::varchar ilike '%zqkanary%'"
                ).fetchall()[0][0]
            ]
            assert not found, f"{item.label} holds people's values in {found} and names nobody by record or customer"


def test_a_household_that_loses_its_first_member_is_named_after_another(project: Project) -> None:
    with project.warehouse() as con:
        household, founder, members = con.execute(
            """
            select household_id, min(founding_customer_id), list(customer_id order by customer_id)
            from cleansing.household_members
            group by household_id having count(*) > 1 order by household_id limit 1
            """
        ).fetchall()[0]
    others = set(members) - {founder}
    done = erasure.erase(project, [Selector("customer", founder)], unpublish)
    assert done.certificate.exists()
    with project.warehouse() as con:
        now = con.execute(
            "select customer_id, household_id, founding_customer_id from cleansing.household_members "
            "semi join (select unnest(?) as customer_id) using (customer_id)",
            [sorted(others)],
        ).fetchall()
        lost = con.execute(
            "select count(*) from marts.dim_customer anti join marts.dim_household using (household_id) "
            "where household_id is not null"
        ).fetchall()
        ended = con.execute(
            "select record_id, cause, current_customer_id from resolution.customer_ids where customer_id = ?", [founder]
        ).fetchall()
        redirect = con.execute(
            "select cause, current_customer_id from marts.customer_id_redirects where customer_id = ?", [founder]
        ).fetchall()
    assert {row[0] for row in now} == others
    assert {row[2] for row in now} <= others and household not in {row[1] for row in now}
    assert lost == [(0,)]
    assert ended == [(None, "erasure", None)] and redirect == [("erasure", None)], "the id is never given again"


def test_counts_of_nobody_are_nothing(project: Project) -> None:
    from orchestration.privacy.closure import Closure, load_closure

    with project.warehouse() as con:
        load_closure(con, Closure(()))
        assert count_holdings(con, Ledger.of(project.settings), Closure(())) == []
