"""The full file: everything in it, nothing of it readable without the key, and the old one stays when anything fails."""

import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orchestration.duckdb_files import forget_key, opened, use_key
from orchestration.publishing import PublishedFile, PublishingError, TableText, publish_customers
from tests.fixtures.company import build_company, privacy_of_company

KEY = "the key of customers.duckdb in the tests, 40+ characters"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_company(tmp_path_factory.mktemp("company") / "kindred.duckdb", customers=120)


def _publish(warehouse: Path, folder: Path, key: str = KEY, **changes: object) -> PublishedFile:
    return publish_customers(warehouse, folder / "customers.duckdb", key, **changes)  # type: ignore[arg-type]


def _personal_values(warehouse: Path) -> list[bytes]:
    """Long values only: three letters are found in any random bytes."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select customer_id, given_name, family_name, full_name, email, phone, street, postcode, national_id from marts.dim_customer"
        ).fetchall()
    return [value.encode() for row in rows for value in row if value is not None and len(value.encode()) > 5]


def _found(values: list[bytes], content: bytes) -> int:
    return sum(value in content for value in values)


def test_every_table_and_column_is_in_it_as_it_is(company: Path, tmp_path: Path) -> None:
    published = _publish(
        company, tmp_path, tables={"marts.dim_customer": TableText("One row per customer.")}, run_id="r1"
    )
    assert set(published.tables) == set(privacy_of_company())
    use_key(published.path, lambda: KEY)
    with opened(published.path, read_only=True) as full, duckdb.connect(str(company), read_only=True) as working:
        for table in published.tables:
            assert full.execute(f"from {table}").fetchall() == working.execute(f"from {table} order by all").fetchall()
        assert full.execute("select run_id from meta.publication").fetchall() == [("r1",)]
        assert full.execute("select comment from duckdb_tables() where comment like 'One row per customer.'").fetchall()
    forget_key(published.path)


def test_no_personal_value_is_in_its_bytes_and_the_scan_finds_them_in_a_plain_copy(
    company: Path, tmp_path: Path
) -> None:
    published = _publish(company, tmp_path)
    values = _personal_values(company)
    assert len(values) > 800
    assert _found(values, published.path.read_bytes()) == 0
    plain = tmp_path / "plain.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"attach '{published.path}' as readable (read_only, encryption_key '{KEY}')")
        connection.execute(f"attach '{plain}' as plain")
        connection.execute("copy from database readable to plain")
    # Compression hides some of them; far from all.
    assert _found(values, plain.read_bytes()) > len(values) / 10


def test_it_opens_with_plain_duckdb_and_the_key_alone(company: Path, tmp_path: Path) -> None:
    """As a person does who has neither Kindred nor the extension: reading needs neither."""
    published = _publish(company, tmp_path)
    code = (
        "import duckdb, sys; c = duckdb.connect(); c.execute(\"attach '%s' as customers (read_only, encryption_key '%s')\" % "
        "tuple(sys.argv[1:])); print(c.execute('select count(*) from customers.marts.dim_customer').fetchone()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(published.path), KEY],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert int(done.stdout) == published.tables["marts.dim_customer"]


@pytest.mark.parametrize("option", ["", "encryption_key 'another key of more than thirty-two characters'"])
def test_no_key_and_a_wrong_one_are_refused(company: Path, tmp_path: Path, option: str) -> None:
    published = _publish(company, tmp_path)
    with duckdb.connect() as connection, pytest.raises(duckdb.Error, match=r"(?i)key"):
        connection.execute(f"attach '{published.path}' as customers ({', '.join(filter(None, ['read_only', option]))})")


def test_it_is_encrypted_with_gcm_and_for_its_owner_alone(company: Path, tmp_path: Path) -> None:
    published = _publish(company, tmp_path / "new")
    assert stat.S_IMODE(published.path.stat().st_mode) == 0o600
    with duckdb.connect() as connection:
        connection.execute(f"attach '{published.path}' as customers (read_only, encryption_key '{KEY}')")
        assert connection.execute(
            "select encrypted, cipher from duckdb_databases() where database_name = 'customers'"
        ).fetchall() == [(True, "GCM")]


def test_what_lies_beside_it_while_it_is_built_is_neither_plain_nor_open(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.publishing import database

    values, seen = _personal_values(company), []
    describe = database._describe

    def look(*arguments: object, **named: object) -> None:
        describe(*arguments, **named)  # type: ignore[arg-type]
        for path in tmp_path.rglob("*"):
            if path.is_dir():
                assert stat.S_IMODE(path.stat().st_mode) == 0o700
            else:
                seen.append(path.name)
                assert _found(values, path.read_bytes()) == 0

    monkeypatch.setattr(database, "_describe", look)
    _publish(company, tmp_path)
    assert "customers.duckdb" in seen
    assert [path.name for path in tmp_path.iterdir()] == ["customers.duckdb"]


def test_a_new_key_makes_the_next_file_and_the_old_key_no_longer_opens_it(company: Path, tmp_path: Path) -> None:
    _publish(company, tmp_path)
    published = _publish(company, tmp_path, KEY[::-1])
    with duckdb.connect() as connection, pytest.raises(duckdb.Error, match=r"(?i)wrong encryption key"):
        connection.execute(f"attach '{published.path}' as customers (read_only, encryption_key '{KEY}')")


def test_without_the_extension_the_old_file_stays(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _publish(company, tmp_path).path.read_bytes()
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    with pytest.raises(PublishingError, match=r"httpfs.*unchanged"):
        _publish(company, tmp_path)
    assert (tmp_path / "customers.duckdb").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["customers.duckdb"]


def test_a_disk_that_fills_up_while_building_leaves_the_old_file(company: Path, tmp_path: Path) -> None:
    """A real limit on what a process may write, so that DuckDB itself meets it."""
    before = _publish(company, tmp_path).path.read_bytes()
    code = (
        "import resource, signal, sys; from pathlib import Path; from orchestration.publishing import publish_customers;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536));"
        "publish_customers(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(company), str(tmp_path / "customers.duckdb"), KEY],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "PublishingError: customers.duckdb could not be built" in done.stderr
    assert "unchanged" in done.stderr
    assert KEY not in done.stderr
    assert (tmp_path / "customers.duckdb").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["customers.duckdb"]


def test_nothing_to_publish_is_said(tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match="kindred run"):
        _publish(tmp_path / "none.duckdb", tmp_path)
    with duckdb.connect(str(tmp_path / "kindred.duckdb")) as connection:
        connection.execute("create schema marts")
    with pytest.raises(PublishingError, match="nothing to publish"):
        _publish(tmp_path / "kindred.duckdb", tmp_path)
