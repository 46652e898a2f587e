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
    """Three invented files and, where they are here, extracts of three public sets: added, checked, and run."""
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
    for name, path in given.items():
        _succeeds(project, f"kindred source add '{path}' --name {name}")
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


def test_removing_takes_the_people_away(project: OwnProject) -> None:
    _succeeds(project, "kindred source remove hub --yes")

    assert not (project.root / "dbt_project" / "models" / "staging" / "hub").exists()
    assert (project.root / "data" / "landing" / "hub").exists()
    assert project.query("select count(*) from duckdb_tables() where table_name like 'hub\\_\\_%' escape '\\'") == [
        (0,)
    ]
    assert project.run("kindred source remove hub --yes").returncode == 1


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
