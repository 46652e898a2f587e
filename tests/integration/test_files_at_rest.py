"""A small real run: who may read what lies in the data folder, the encrypted files, and the working file under a key."""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration import encrypted_files
from orchestration.config import PROJECT_ROOT
from orchestration.duckdb_files import attach, is_encrypted
from tests.integration.conftest import Company, RunCompany

KEY = "a key of the integration tests, of 32 and more"
READABLE = {"analytics.duckdb": 0o640, "report.html": 0o640, "public.duckdb": 0o644, "customers.duckdb": 0o600}


@pytest.fixture
def with_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("KINDRED_ENCRYPTION_KEY", KEY)
    yield


def test_nothing_but_what_is_published_can_be_read_by_others(company: RunCompany) -> None:
    assert company.first.code == 0, company.first.output
    open_to_others = {
        path.relative_to(company.data)
        for path in company.data.rglob("*")
        if path.is_file() and not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    }
    assert open_to_others == {Path("published") / name for name, mode in READABLE.items() if mode & 0o077}
    for name, mode in READABLE.items():
        assert stat.S_IMODE((company.data / "published" / name).stat().st_mode) == mode


def test_the_doctor_finds_a_working_file_that_others_can_read(company: RunCompany, tmp_path: Path) -> None:
    own = company.copy(tmp_path / "data")
    healthy = own.kindred("doctor").output
    assert "for their owner alone" in healthy
    own.warehouse.parent.chmod(0o755)
    own.warehouse.chmod(0o644)
    told = " ".join(own.kindred("doctor").output.split())
    assert "1 working files can be read by others" in told
    assert "chmod -R go-rwx" in told


def test_the_generated_key_opens_the_full_file(company: RunCompany) -> None:
    key = (company.data / "secret" / "encryption.key").read_text().strip()
    with duckdb.connect() as connection:
        connection.execute(
            f"attach '{company.data / 'published' / 'customers.duckdb'}' as customers (read_only, encryption_key '{key}')"
        )
        (email, customer) = connection.execute(
            "select email, customer_id from customers.marts.dim_customer where email is not null order by all limit 1"
        ).fetchall()[0]
    assert "@" in email
    assert customer.startswith("cus_")
    assert email.encode() not in (company.data / "published" / "customers.duckdb").read_bytes()


def test_the_analysts_file_holds_no_customer_id_and_no_source_id(company: RunCompany) -> None:
    """As someone does who has the file, and knows the ids of one of the source systems."""
    with duckdb.connect(str(company.warehouse), read_only=True) as working:
        known = {
            value
            for (value,) in working.execute(
                """
                select customer_id from marts.dim_customer union select record_id from marts.customer_xref
                union select order_id from marts.fct_orders union select email from marts.dim_customer
                union select phone from marts.dim_customer
                """
            ).fetchall()
            if value is not None
        }
    with duckdb.connect(str(company.published), read_only=True) as published:
        columns = published.execute(
            """
            select schema_name || '.' || table_name, column_name from duckdb_columns()
            where schema_name in ('marts', 'analysis') and data_type like 'VARCHAR%'
            """
        ).fetchall()
        shown = {
            value
            for table, column in columns
            for (value,) in published.execute(f'select distinct "{column}" from {table}').fetchall()
        }
    assert len(known) > 1000
    assert known & shown == set()


def test_the_public_file_is_k_anonymous(company: RunCompany) -> None:
    with duckdb.connect(str(company.data / "published" / "public.duckdb"), read_only=True) as public:
        tables = public.execute("select table_name from meta.tables").fetchall()
        assert tables == [("analysis.public_demographics",)]
        (smallest, people) = public.execute(
            "select min(customers), sum(customers) from analysis.public_demographics"
        ).fetchall()[0]
        assert smallest >= 5
        assert public.execute("select k, people from meta.k_anonymity").fetchall() == [(smallest, people)]


@pytest.mark.usefixtures("with_key")
def test_warehouse_and_landing_are_encrypted_and_replay_to_the_same(
    company: RunCompany, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: Company = company.copy(tmp_path / "data")
    landing = own.data / "landing"
    monkeypatch.setenv("KINDRED_ENCRYPT_WORKING_FILES", "true")
    refused = own.kindred("doctor")
    assert refused.code == 1
    assert "kindred warehouse encrypt" in " ".join(refused.output.split())
    done = own.kindred("warehouse", "encrypt")
    assert done.code == 0, done.output
    assert is_encrypted(own.warehouse)
    # One day of one source comes in clear after the move: it is encrypted when it is collected.
    (landing / "social" / "2026-01-06").rename(tmp_path / "later")
    moved = own.kindred("landing", "encrypt")
    assert moved.code == 0 and "made encrypted" in moved.output, moved.output
    (tmp_path / "later").rename(landing / "social" / "2026-01-06")

    for name in ("warehouse", "ledger", "models", "published", "quality"):
        shutil.rmtree(own.data / name)
    ran = own.kindred("run", "--all")
    assert ran.code == 0, ran.output
    assert is_encrypted(own.warehouse)
    assert _contents(own.published) == _contents(company.published)
    assert _facts(own.warehouse, KEY) == _facts(company.warehouse)
    files = [path for path in landing.rglob("*") if path.is_file() and path.stat().st_size]
    assert sorted(path.name for path in files if not encrypted_files.is_encrypted(path)) == ["_SAMPLE.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    _nobody_is_in([*files, *own.warehouse.parent.iterdir()], company)
    for path in own.data.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path

    monkeypatch.setenv("KINDRED_ENCRYPTION_KEY", KEY + " that is another")
    wrong = own.kindred("doctor")
    assert wrong.code == 1
    assert wrong.output.count("another key") == 2, wrong.output
    monkeypatch.setenv("KINDRED_ENCRYPTION_KEY", KEY)
    assert own.kindred("warehouse", "decrypt").code == 0
    assert own.kindred("landing", "decrypt").code == 0
    monkeypatch.delenv("KINDRED_ENCRYPT_WORKING_FILES")
    assert not is_encrypted(own.warehouse)
    again = own.kindred("run", "--all")
    assert again.output.count("unchanged since run") == 2, again.output


def test_the_examples_of_the_guide_run(company: RunCompany, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(company.data.parent)
    monkeypatch.setenv("KEY", (company.data / "secret" / "encryption.key").read_text().strip())
    text = (PROJECT_ROOT / "docs" / "published-files.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(sql|python)\n(.*?)```", text, re.S)
    assert len(blocks) > 5
    for language, block in blocks:
        if language == "python":
            exec(compile(block, "published-files.md", "exec"), {})
            continue
        with duckdb.connect() as connection:
            for statement in filter(None, (part.strip() for part in block.split(";"))):
                connection.execute(statement.replace("<key>", os.environ["KEY"])).fetchall()


def _facts(path: Path, key: str | None = None) -> dict[str, list[tuple[object, ...]]]:
    """Every row of what was landed, held back and resolved, with its place, without the times and ids of runs."""
    with duckdb.connect() as connection:
        attach(connection, path, "kindred", key=key, read_only=True)
        tables = connection.execute(
            """
            select schema_name || '.' || table_name,
                string_agg('"' || column_name || '"', ', ' order by column_index)
                    filter (where column_name not in ('run_id', 'quarantined_at', 'loaded_at'))
            from duckdb_columns()
            where database_name = 'kindred'
                and (schema_name in ('raw', 'quarantine', 'marts') or table_name in ('memberships', 'loads'))
            group by all
            """
        ).fetchall()
        assert len(tables) > 20
        return {
            name: connection.execute(f"select {columns} from kindred.{name} order by all").fetchall()
            for name, columns in tables
        }


def _nobody_is_in(files: list[Path], company: RunCompany) -> None:
    """No e-mail address, telephone number or long name of a customer in the bytes."""
    with duckdb.connect(str(company.warehouse), read_only=True) as connection:
        values = {
            value.encode()
            for (value,) in connection.execute(
                "select unnest([email, phone, full_name, street]) from marts.dim_customer"
            ).fetchall()
            if value is not None and len(value) > 7
        }
    assert len(values) > 500
    for path in files:
        content = path.read_bytes()
        assert not [value for value in values if value in content], path


def _contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'meta' order by all"
        ).fetchall()
        return {table: connection.execute(f"from {table}").fetchall() for (table,) in tables}
