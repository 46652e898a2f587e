"""`kindred source add` as a new user: files that nobody prepared, in a fresh project, on the command line.

The project is copied, because adding a source writes into it.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from orchestration.config import PROJECT_ROOT
from tests.unit.scaffold.role_files import click_log, collector_events, desk_tickets, shop_customers, subscriptions
from tests.unit.scaffold.user_files import crm_contacts, german_customers, order_lines

BENCHMARKS = PROJECT_ROOT.parent / "shared" / "benchmarks" / "er"
# The format that each set is exported to, and without its truth.
EXPORTS = {"febrl3": "csv", "historical_50k": "jsonl", "pp_multi": "parquet"}
ROWS = 500
GUIDE = PROJECT_ROOT / "docs" / "add-a-source.md"


@dataclass(frozen=True)
class OwnProject:
    """A copy of the project, and `kindred` in it."""

    root: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a shell command with `kindred` on the path, as a user in the project's folder."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("KINDRED_", "DAGSTER_"))
        }
        environment |= {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": f"{self.root}:{os.environ.get('PYTHONPATH', '')}".rstrip(":"),
            "KINDRED_SECRET": "a secret for tests, of more than thirty-two characters",
        }
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the working warehouse."""
        with duckdb.connect(str(self.root / "data" / "warehouse" / "kindred.duckdb"), read_only=True) as con:
            return con.execute(sql).fetchall()


def _copy_project(root: Path) -> OwnProject:
    ignored = shutil.ignore_patterns("__pycache__", "target", "logs")
    for name in ("orchestration", "expectations", "dbt_project", "data/contracts", "data/sample"):
        shutil.copytree(PROJECT_ROOT / name, root / name, ignore=ignored)
    for name in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(PROJECT_ROOT / name, root / name)
    (root / "bin").mkdir()
    kindred = root / "bin" / "kindred"
    kindred.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orchestration.cli "$@"\n')
    kindred.chmod(0o755)
    return OwnProject(root)


def _succeeds(project: OwnProject, command: str) -> str:
    done = project.run(command)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> OwnProject:
    """Invented files of every role and, where they are here, extracts of three public sets: added, checked, and run."""
    project = _copy_project(tmp_path_factory.mktemp("own"))
    files = tmp_path_factory.mktemp("files")
    given = {"kunden": german_customers(files), "hub": crm_contacts(files), "till": order_lines(files)}
    for name, suffix in EXPORTS.items():
        records = BENCHMARKS / name / "records.parquet"
        if records.exists():
            given[name] = files / f"{name}.{suffix}"
            form = {"jsonl": "json"}.get(suffix, suffix)
            with duckdb.connect() as con:
                con.execute(
                    f"copy (select * exclude (entity_id, source) from read_parquet('{records}') limit {ROWS}) "
                    f"to '{given[name]}' (format {form})"
                )
    given |= {
        "letters": subscriptions(files), "stores": shop_customers(files), "desk": desk_tickets(files),
        "app": collector_events(files), "clicks": click_log(files),
    }  # fmt: skip
    options = {"letters": "--timezone Europe/Berlin", "clicks": "--people stores"}
    _succeeds(
        project,
        "\n".join(f"kindred source add '{path}' --name {name} {options.get(name, '')}" for name, path in given.items()),
    )
    _succeeds(project, "kindred contract check")
    _succeeds(project, "kindred run")
    return project


@pytest.mark.parametrize("source", sorted(EXPORTS))
def test_people_of_public_sets_arrive(project: OwnProject, source: str) -> None:
    if not (BENCHMARKS / source).exists():
        pytest.skip(f"the benchmark folder {BENCHMARKS} is not here")

    assert project.query(
        f"""
        select count(*), count(distinct xref.record_id), count(*) filter (where customers.family_name is not null) > 400
        from marts.customer_xref as xref
        inner join marts.dim_customer as customers on xref.customer_id = customers.customer_id
        where xref.source = '{source}'
        """
    ) == [(ROWS, ROWS, True)]
    assert project.query(f"select count(*) from quarantine.{source}__{source}") == [(0,)]


def test_duplicates_of_a_public_set_are_found(project: OwnProject) -> None:
    if not (BENCHMARKS / "febrl3").exists():
        pytest.skip(f"the benchmark folder {BENCHMARKS} is not here")

    ((customers,),) = project.query(
        "select count(distinct customer_id) from marts.customer_xref where source = 'febrl3'"
    )

    assert customers < ROWS


def test_a_german_list(project: OwnProject) -> None:
    assert project.query(
        """
        select given_name, family_name, birth_date is not null, gender, street, city, postcode, country, phone like '+4930%'
        from cleansing.standardised_records
        where record_id = 'kunden:10001'
        """
    ) == [("Jürgen", "Müller", True, "male", "Gartenweg 2", "München", "80331", "DE", True)]


def test_contacts_of_an_api(project: OwnProject) -> None:
    assert project.query(
        """
        select records.email, records.postcode, records.updated_at::varchar, identifiers.identifier
        from integration.int_customer_records as records
        inner join integration.int_record_identifiers as identifiers on records.record_id = identifiers.record_id
        where records.record_id = 'hub:0035e00000001'
        """
    ) == [("jürgen.müller1@example.com", "SE2 2AB", "2025-06-01 03:00:00", "L-00001")]


def test_orders_are_added_up(project: OwnProject) -> None:
    orders = project.query(
        """
        select order_id, customer_id is not null, status, currency, amount::varchar, items
        from marts.fct_orders
        where source = 'till'
        order by ordered_at
        limit 4
        """
    )

    assert orders == [
        ("till:R4000", True, "shipped", "EUR", "1001.50", 2),
        ("till:R4001", True, "returned", "EUR", "2024.00", 3),
        ("till:R4002", True, "cancelled", "EUR", "3067.50", 5),
        ("till:R4003", True, "shipped", "EUR", "1031.50", 2),
    ]
    assert project.query("select count(*), count(distinct record_id) from marts.fct_orders") == [(80, 30)]


def test_consent_arrives_and_only_known_words_grant(project: OwnProject) -> None:
    assert project.query(
        """
        select source, purpose, channel, status, count(*), count(distinct record_id)
        from integration.int_consent_events
        group by all
        order by all
        """
    ) == [
        ("letters", "customer_survey", "email", "granted", 8, 8),
        ("letters", "customer_survey", "email", "withdrawn", 8, 8),
        ("letters", "customer_survey", "sms", "granted", 8, 8),
        ("letters", "customer_survey", "sms", "withdrawn", 8, 8),
        ("letters", "marketing", "email", "granted", 8, 8),
        ("letters", "marketing", "email", "withdrawn", 8, 8),
        ("letters", "marketing", "sms", "granted", 8, 8),
        ("letters", "marketing", "sms", "withdrawn", 8, 8),
        ("stores", "marketing", "email", "granted", 20, 20),
        ("stores", "marketing", "email", "withdrawn", 20, 20),
        ("stores", "marketing", "phone", "withdrawn", 8, 8),
    ]
    # 09:00 in Berlin in November is 08:00 in UTC; the third contact was `Asked for a call`, which no list knows.
    assert project.query(
        """
        select record_id, purpose, status, legal_basis, occurred_at::varchar
        from integration.int_consent_events
        where record_id in ('letters:7000', 'letters:7004') and purpose = 'marketing'
        order by all
        """
    ) == [
        ("letters:7000", "marketing", "granted", "legitimate_interest", "2025-11-03 07:00:00"),
        ("letters:7004", "marketing", "withdrawn", "consent", "2025-11-04 03:00:00"),
    ]
    assert project.query(
        "select count(*), count(*) filter (where status = 'granted') > 0 from marts.fct_consent where source = 'stores'"
    ) == [(32, True)]
    assert project.query(
        "select observed from quality.check_results where expectation like '%unknown_answers' and not success"
    ) == [("16",)]


def test_tickets_arrive(project: OwnProject) -> None:
    assert project.query(
        """
        select ticket_id, customer_id is not null, record_id, channel, status, satisfaction, created_at::varchar, subject
        from marts.fct_support_tickets
        order by created_at
        limit 3
        """
    ) == [
        ("desk:9000", True, "desk:500", "email", "open", 5, "2025-11-03 08:00:00", "Parcel 0 is late"),
        ("desk:9001", True, "desk:500", "chat", "open", 1, "2025-11-03 15:00:00", "Parcel 1 is late"),
        ("desk:9002", True, "desk:501", "phone", "pending", None, "2025-11-03 22:00:00", "Parcel 2 is late"),
    ]
    assert project.query("select count(*), count(customer_id) from marts.fct_support_tickets") == [(40, 40)]
    # Half of the tickets tell no address: the last value that another told is the requester's.
    assert project.query(
        "select count(*), count(email) from integration.int_customer_records where source = 'desk'"
    ) == [(20, 20)]


def test_events_arrive(project: OwnProject) -> None:
    assert project.query(
        """
        select source, interaction_type, count(*), count(customer_id), count(anonymous_id), sum(amount)::varchar
        from marts.fct_interactions
        where source in ('app', 'clicks')
        group by all
        order by all
        """
    ) == [
        ("app", "identify", 12, 12, 12, None),
        ("app", "order_completed", 12, 12, 12, "1260.00"),
        ("app", "page_viewed", 12, 12, 12, None),
        ("app", "product_added", 12, 12, 12, None),
        ("clicks", "login", 14, 14, 0, None),
        ("clicks", "page_viewed", 13, 13, 0, None),
        ("clicks", "product_added", 13, 13, 0, None),
    ]
    # The clicks are those of the stores' people, by the id that both files have.
    assert project.query(
        """
        select count(*)
        from marts.fct_interactions as clicks
        inner join marts.customer_xref as xref on clicks.record_id = xref.record_id
        where clicks.source = 'clicks' and xref.source = 'stores' and xref.customer_id = clicks.customer_id
        """
    ) == [(40,)]


def test_removing_takes_the_people_away(project: OwnProject) -> None:
    _succeeds(project, "kindred source remove hub --yes")

    assert not (project.root / "dbt_project" / "models" / "staging" / "hub").exists()
    assert (project.root / "data" / "landing" / "hub").exists()
    assert project.query("select count(*) from duckdb_tables() where table_name like 'hub\\_\\_%' escape '\\'") == [
        (0,)
    ]
    assert project.run("kindred source remove hub --yes").returncode == 1
    leaning = project.run("kindred source remove stores --yes")
    assert (leaning.returncode, "clicks has rows of the people of stores" in leaning.stderr) == (1, True)


def test_the_guide(tmp_path: Path) -> None:
    """Every command of docs/add-a-source.md, in its order."""
    project = _copy_project(tmp_path)
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert any("kindred run" in block for block in blocks)
    for block in blocks:
        _succeeds(project, block)
        if "kindred run" in block:
            people = project.query("select given_name, family_name, record_count from marts.dim_customer order by 2, 1")
            assert ("Jonas", "Weiß", 1) in people
            assert len(people) in (
                3,
                4,
            )  # Whether so few people suffice to recognise the two Annas is matching's affair.
    assert not (project.root / "data" / "contracts" / "branches.odcs.yaml").exists()
    assert (project.root / "data" / "contracts" / "crm.odcs.yaml").exists()
