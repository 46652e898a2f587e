"""The whole pipeline as a user runs it: from landing files to a published warehouse, again, late, and when it breaks."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import duckdb

from orchestration.config import PROJECT_ROOT
from tests.fixtures.without_ids import redirects_lead_to_the_living, without_ids
from tests.integration.conftest import SECRET, Company, RunCompany

DAYS = ("2026-01-05", "2026-01-06")


def contents(path: Path, schemas: tuple[str, ...] = ("marts", "analysis")) -> dict[str, list[tuple]]:
    """Every table of the schemas, its rows in an order of their own."""
    with duckdb.connect(str(path), read_only=True) as con:
        tables = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where list_contains(?, schema_name)",
            [list(schemas)],
        ).fetchall()
        return {name: con.execute(f"select * from {name} order by all").fetchall() for (name,) in sorted(tables)}


def people(path: Path) -> dict[str, list[tuple]]:
    """The same with people in the place of their ids, which follow the order of runs."""
    with duckdb.connect(str(path), read_only=True) as con:
        assert redirects_lead_to_the_living(lambda statement: con.execute(statement).fetchall())
        return without_ids(contents(path), lambda statement: con.execute(statement).fetchall())


def test_a_run_publishes_and_says_what_it_made(company: RunCompany) -> None:
    assert company.first.code == 0, company.first.output
    for line in (
        "rows collected",
        "rows quarantined",
        "customers",
        "duplicates merged",
        "checks passed",
        "seconds in all",
    ):
        assert line in company.first.output
    assert "Traceback" not in company.first.output
    assert "Warning" not in company.first.output
    assert company.published.exists()
    assert (company.data / "published" / "report.html").exists()
    assert (company.data / "quality" / "data_docs" / "index.html").exists()


def test_every_mart_and_analysis_table_is_published_with_rows(company: RunCompany) -> None:
    published = contents(company.published)
    assert set(published) >= {
        "marts.dim_customer", "marts.customer_xref", "marts.fct_orders", "marts.fct_interactions", "marts.fct_consent",
        "marts.customer_360", "analysis.customer_rfm", "analysis.daily_kpis",
    }  # fmt: skip
    # Nobody is restricted and, in two days, no id need have been retired.
    may_be_empty = {"marts.fct_restriction", "marts.customer_id_redirects"}
    assert all(rows for table, rows in published.items() if table not in may_be_empty)


def test_no_personal_value_stands_in_the_published_files(company: RunCompany) -> None:
    with duckdb.connect(str(company.warehouse), read_only=True) as con:
        values = con.execute(
            """
            select distinct unnest([email, phone, street, national_id, source_record_id, given_name || ' ' || family_name])
            from cleansing.standardised_records
            """
        ).fetchall()
    searched = [value.encode() for (value,) in values if value is not None and len(value) >= 6]
    assert len(searched) > 1000
    for path in (company.published, company.data / "published" / "report.html"):
        content = path.read_bytes()
        assert [value for value in searched if value in content] == []


def test_every_landed_row_is_loaded_or_quarantined(company: RunCompany) -> None:
    with duckdb.connect(str(company.warehouse), read_only=True) as con:
        for table, landed in con.execute(
            "select table_name, sum(rows_landed) from quality.loads group by table_name"
        ).fetchall():
            name = table.removeprefix("raw.")
            loaded = con.execute(f"select count(*) from {table}").fetchall()[0][0]
            held = con.execute(f"select count(distinct (file, row_number)) from quarantine.{name}").fetchall()[0][0]
            assert loaded + held == landed, table


def test_every_planted_bad_row_is_in_quarantine_by_file_and_row(company: RunCompany) -> None:
    defects = company.data / "sample_truth" / "defects.parquet"
    with duckdb.connect(str(company.warehouse), read_only=True) as con:
        tables = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'quarantine' and contains(table_name, '__')"
        ).fetchall()
        union = " union ".join(f"select file, row_number from quarantine.{name}" for (name,) in tables)
        planted = con.execute(
            "select file, \"row\" from read_parquet(?) where class = 'bad'",
            [str(defects)],
        ).fetchall()
        held = con.execute(union).fetchall()
    assert planted
    assert set(planted) - set(held) == set()


def test_every_record_has_one_customer(company: RunCompany) -> None:
    with duckdb.connect(str(company.warehouse), read_only=True) as con:
        records, members, distinct = con.execute(
            """
            select
                (select count(*) from integration.int_customer_records),
                (select count(*) from resolution.memberships),
                (select count(distinct record_id) from resolution.memberships)
            """
        ).fetchall()[0]
    assert records == members == distinct


def test_resolution_agrees_with_the_truth(company: RunCompany) -> None:
    said = company.kindred("evaluate", "--truth", str(company.data / "sample_truth" / "records.parquet"))
    assert said.code == 0
    f1 = re.search(r"pairwise\D+[\d.]+\D+[\d.]+\D+([\d.]+)", said.output)
    assert f1 is not None, said.output
    assert float(f1[1]) >= 0.90


def test_running_again_gives_identical_marts(company: RunCompany, tmp_path: Path) -> None:
    again = company.copy(tmp_path / "data")
    assert again.kindred("run", "--all", "--force").code == 0
    assert contents(again.warehouse) == contents(company.warehouse)
    assert contents(again.published) == contents(company.published)


def _seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_days_that_have_not_changed_are_not_run_again(company: RunCompany, tmp_path: Path) -> None:
    again = company.copy(tmp_path / "data")
    before = again.published.stat().st_mtime_ns
    # Processor time: what the clock on the wall shows depends on who else is at work.
    started = _seconds_of_children()
    said = again.kindred("run", "--from", DAYS[0], "--to", DAYS[1])
    spent = _seconds_of_children() - started
    assert said.code == 0, said.output
    assert [f"{day}: unchanged since run" in said.output for day in DAYS] == [True, True], said.output
    assert spent < 5
    assert again.published.stat().st_mtime_ns == before


BY_DAGSTER = """
import sys
import dagster as dg
from orchestration.project import load_project
load_project().prepare_dagster_home()
load_project().transform.prepare()
from orchestration.definitions import defs
with dg.DagsterInstance.get() as instance:
    job = defs().resolve_job_def("daily_run")
    assert job.execute_in_process(instance=instance, partition_key=sys.argv[1], raise_on_error=False).success
"""


def test_a_day_that_dagster_ran_is_not_run_again(company: RunCompany, tmp_path: Path) -> None:
    """As the UI, the schedule and the sensor start it: the job itself, with nothing of the command line around it."""
    again = company.copy(tmp_path / "data")
    lines = (again.data / "landing" / "crm" / DAYS[0] / "contacts.csv").read_text().splitlines()
    fields = lines[-1].split(",")
    late = again.data / "landing" / "crm" / DAYS[1] / "contacts_late.csv"
    late.write_text("\n".join([lines[0], ",".join(["late-2", *fields[1:]])]) + "\n")
    environment = {**os.environ, "KINDRED_DATA": str(again.data), "KINDRED_SECRET": SECRET}
    ran = subprocess.run(
        [sys.executable, "-c", BY_DAGSTER, DAYS[1]],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    said = again.kindred("run", "--date", DAYS[1])
    assert f"{DAYS[1]}: unchanged since run" in said.output, said.output


def test_a_changed_past_day_runs_and_its_change_reaches_the_marts(company: RunCompany, tmp_path: Path) -> None:
    changed = company.copy(tmp_path / "data")
    landing = changed.data / "landing" / "crm" / DAYS[0]
    lines = (landing / "contacts.csv").read_text().splitlines()
    fields = lines[-1].split(",")
    (landing / "contacts_late.csv").write_text("\n".join([lines[0], ",".join(["late-1", *fields[1:]])]) + "\n")
    said = changed.kindred("run", "--to", DAYS[0])
    assert said.code == 0, said.output
    assert "unchanged" not in said.output
    with duckdb.connect(str(changed.warehouse), read_only=True) as con:
        assert con.execute("select count(*) from marts.customer_xref where record_id = 'crm:late-1'").fetchall() == [
            (1,)
        ]


def test_a_backfill_of_days_that_never_landed_is_refused(company: RunCompany) -> None:
    said = company.kindred("run", "--from", "2026-03-01")
    assert said.code == 1
    assert f"landed are {DAYS[0]} to {DAYS[1]}" in said.output


def test_a_late_day_gives_the_marts_of_the_ordered_run(company: RunCompany, tmp_path: Path) -> None:
    late = Company(tmp_path / "data")
    late.data.mkdir()
    for folder in ("landing", "models"):
        (late.data / folder).symlink_to(company.data / folder)
    for day in reversed(DAYS):
        said = late.kindred("run", "--date", day)
        assert said.code == 0, said.output
    assert people(late.warehouse) == people(company.warehouse)


def test_a_day_whose_table_gate_fails_leaves_the_published_file_and_names_check_and_rows(
    company: RunCompany, tmp_path: Path
) -> None:
    broken = company.copy(tmp_path / "data")
    before = broken.published.read_bytes()
    file = broken.data / "landing" / "crm" / DAYS[0] / "contacts.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *(line.replace("@", " at ") for line in lines[1:])]) + "\n")
    said = broken.kindred("run", "--date", DAYS[0])
    assert said.code == 1
    assert "was not published" in said.output
    assert "raw.crm__contacts: blocked" in said.output
    assert "bad_row_share" in said.output
    assert "expect_column_values_to_match_regex:email" in said.output
    assert re.search(rf"crm/{DAYS[0]}/contacts\.csv row \d+", said.output)
    assert broken.published.read_bytes() == before


def test_a_missing_file_stops_the_day_and_names_itself(company: RunCompany, tmp_path: Path) -> None:
    broken = company.copy(tmp_path / "data")
    before = broken.published.read_bytes()
    (broken.data / "landing" / "shop" / DAYS[1] / "orders.parquet").unlink()
    said = broken.kindred("run", "--date", DAYS[1])
    assert said.code == 1
    assert f"shop/{DAYS[1]}: no file orders" in said.output
    assert broken.published.read_bytes() == before


def test_status_and_doctor_speak_of_the_runs(company: RunCompany) -> None:
    status = company.kindred("status")
    assert status.code == 0
    assert all(day in status.output for day in DAYS)
    assert status.output.count("success") >= 2
    doctor = company.kindred("doctor")
    assert doctor.code == 0, doctor.output
    assert "FAIL" not in doctor.output


def test_a_day_that_never_landed_is_refused_with_the_days_that_did(company: RunCompany) -> None:
    said = company.kindred("run", "--date", "2026-02-01")
    assert said.code == 1
    assert "nothing has landed for 2026-02-01" in said.output
    assert DAYS[1] in said.output


def test_a_second_run_in_the_same_folder_is_refused(company: RunCompany, tmp_path: Path) -> None:
    from filelock import FileLock

    busy = company.copy(tmp_path / "data")
    with FileLock(busy.warehouse.with_suffix(".run.lock")):
        said = busy.kindred("run", "--date", DAYS[0])
    assert said.code == 1
    assert "Another run is going on" in said.output


def test_the_definitions_are_valid(company: RunCompany) -> None:
    dagster = Path(sys.executable).parent / "dagster"
    done = subprocess.run(
        [str(dagster), "definitions", "validate", "-w", "workspace.yaml"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "KINDRED_DATA": str(company.data)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "successful" in done.stdout + done.stderr
