"""The analysts' file: complete, documented, reproducible, swapped in whole, refused when anything is unknown."""

import os
import stat
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.publishing import (
    PublishedFile,
    PublishingError,
    TableText,
    UnknownPrivacyError,
    publish_analytics,
)
from tests.fixtures.company import build_company, privacy_of_company

SECRET = b"unit test secret, 32 bytes long!"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_company(tmp_path_factory.mktemp("company") / "kindred.duckdb", customers=120)


@pytest.fixture
def own_company(company: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    path = tmp_path / "kindred.duckdb"
    path.write_bytes(company.read_bytes())
    return path


def _publish(warehouse: Path, folder: Path, **changes: object) -> PublishedFile:
    return publish_analytics(warehouse, folder, privacy_of_company(), SECRET, **changes)  # type: ignore[arg-type]


def _contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'meta' order by all"
        ).fetchall()
        return {table: connection.execute(f"from {table}").fetchall() for (table,) in tables}


def test_every_table_arrives_with_every_row(company: Path, tmp_path: Path) -> None:
    published = _publish(company, tmp_path)
    contents = _contents(published.path)
    assert set(contents) == set(privacy_of_company())
    assert published.tables == {table: len(rows) for table, rows in contents.items()}
    with duckdb.connect(str(company), read_only=True) as connection:
        for table, rows in contents.items():
            assert connection.execute(f"select count(*) from {table}").fetchone() == (len(rows),)


def test_words_are_applied_and_tokens_join(company: Path, tmp_path: Path) -> None:
    published = _publish(company, tmp_path)
    with duckdb.connect(str(published.path), read_only=True) as connection:
        columns = {
            name
            for (name,) in connection.execute(
                "select column_name from duckdb_columns() where table_name = 'dim_customer'"
            ).fetchall()
        }
        assert columns.isdisjoint({"street", "unit"})
        assert connection.execute(
            "select bool_and(regexp_full_match(email, 'email_[0-9a-f]{24}')), bool_and(birth_date between 1900 and 2026), "
            "max(length(postcode)), count(distinct email) = count(*) from marts.dim_customer"
        ).fetchone() == (True, True, 3, True)
        joined = connection.execute(
            "select count(*) from marts.fct_consent join marts.customer_xref using (record_id, customer_id)"
        ).fetchone()
        consents = connection.execute("select count(*) from marts.fct_consent").fetchone()
        assert joined == consents != (0,)


def test_same_input_gives_the_same_contents_whatever_the_row_order(
    own_company: Path, company: Path, tmp_path: Path
) -> None:
    first = _publish(company, tmp_path / "first")
    with duckdb.connect(str(own_company)) as connection:
        connection.execute("create table shuffled as select * from marts.fct_orders order by hash(order_id)")
        connection.execute(
            "delete from marts.fct_orders; insert into marts.fct_orders from shuffled; drop table shuffled"
        )
    second = _publish(own_company, tmp_path / "second", run_id="another run")
    assert _contents(first.path) == _contents(second.path)


def test_another_secret_changes_tokens_and_the_key_id_tells(company: Path, tmp_path: Path) -> None:
    first = _publish(company, tmp_path / "first")
    second = publish_analytics(company, tmp_path / "second", privacy_of_company(), SECRET[::-1])
    emails, ids = [], []
    for path in (first.path, second.path):
        with duckdb.connect(str(path), read_only=True) as connection:
            emails.append({value for (value,) in connection.execute("select email from marts.dim_customer").fetchall()})
            ids.append(connection.execute("select token_key_id from meta.publication").fetchone())
    assert emails[0].isdisjoint(emails[1])
    assert ids[0] != ids[1]


def test_the_result_describes_the_file(company: Path, tmp_path: Path) -> None:
    import hashlib

    published = _publish(company, tmp_path)
    content = published.path.read_bytes()
    assert published.path == tmp_path / "analytics.duckdb"
    assert (published.bytes, published.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert stat.S_IMODE(published.path.stat().st_mode) == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["analytics.duckdb"]


def test_descriptions_and_origin_are_in_the_file(company: Path, tmp_path: Path) -> None:
    texts = {
        "marts.dim_customer": TableText("One row per customer's golden record.", {"email": "Best e-mail address."})
    }
    published = _publish(company, tmp_path, tables=texts, run_id="run-7", load_date=date(2026, 1, 7))
    with duckdb.connect(str(published.path), read_only=True) as connection:
        assert connection.execute(
            "select comment from duckdb_tables() where table_name = 'dim_customer'"
        ).fetchone() == ("One row per customer's golden record.",)
        comments = dict(
            connection.execute(
                "select column_name, comment from duckdb_columns() where table_name = 'dim_customer'"
            ).fetchall()
        )
        assert comments["email"].startswith("Best e-mail address. Keyed token")
        assert comments["birth_date"] == "Year only."
        assert comments["record_count"] is None
        assert connection.execute("select run_id, load_date from meta.publication").fetchall() == [
            ("run-7", date(2026, 1, 7))
        ]
        assert dict(connection.execute("select table_name, row_count from meta.tables").fetchall()) == published.tables
        assert connection.execute(
            "select privacy, published from meta.columns where column_name = 'street'"
        ).fetchall() == [("drop", False)]


def test_the_secret_and_its_key_are_not_in_the_file(company: Path, tmp_path: Path) -> None:
    from orchestration.privacy.pseudonyms import derive_key, token_key

    content = _publish(company, tmp_path).path.read_bytes()
    key = derive_key(SECRET, "tokens")
    for piece in (
        SECRET,
        SECRET.hex().encode(),
        key,
        key.hex().encode(),
        token_key(SECRET).inner[:32],
        token_key(SECRET).outer[:32],
    ):
        assert piece not in content


def _refused(
    error: type[Exception], match: str, warehouse: Path, folder: Path, words: dict[str, dict[str, str]]
) -> None:
    """Publishing fails, and what was published before is as it was."""
    before = (
        _publish(warehouse, folder).path.read_bytes()
        if not (folder / "analytics.duckdb").exists()
        else (folder / "analytics.duckdb").read_bytes()
    )
    with pytest.raises(error, match=match):
        publish_analytics(warehouse, folder, words, SECRET)
    assert (folder / "analytics.duckdb").read_bytes() == before
    assert [entry.name for entry in folder.iterdir()] == ["analytics.duckdb"]


def test_a_column_without_a_word_refuses(company: Path, tmp_path: Path) -> None:
    words = privacy_of_company()
    del words["marts.dim_customer"]["phone"]
    _refused(UnknownPrivacyError, r"Column phone of marts\.dim_customer has no privacy word", company, tmp_path, words)


def test_a_table_that_nobody_described_refuses(own_company: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    _publish(own_company, folder)
    with duckdb.connect(str(own_company)) as connection:
        connection.execute("create view marts.scratch as select email from marts.dim_customer")
    _refused(UnknownPrivacyError, r"Table marts\.scratch is not described", own_company, folder, privacy_of_company())


def test_a_described_table_that_is_missing_refuses(company: Path, tmp_path: Path) -> None:
    words = privacy_of_company() | {"marts.dim_household": {"household_id": "clear"}}
    _refused(PublishingError, r"no marts\.dim_household", company, tmp_path, words)


def test_a_word_that_does_not_fit_its_type_refuses(company: Path, tmp_path: Path) -> None:
    words = privacy_of_company()
    words["marts.dim_customer"]["email"] = "year"
    _refused(UnknownPrivacyError, r"Column email of marts\.dim_customer is VARCHAR", company, tmp_path, words)


def test_a_failure_inside_the_database_refuses(own_company: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    _publish(own_company, folder)
    with duckdb.connect(str(own_company)) as connection:
        connection.execute(
            "drop table analysis.daily_kpis; create view analysis.daily_kpis as select error('broken model') as kpi_date"
        )
    words = privacy_of_company() | {"analysis.daily_kpis": {"kpi_date": "clear"}}
    _refused(PublishingError, "broken model.*unchanged", own_company, folder, words)


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_failing_disk_leaves_the_old_file(
    company: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = _publish(company, tmp_path).path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail) if step == "fsync" else patched.setattr(Path, "replace", fail)
        with pytest.raises(PublishingError, match="No space left"):
            _publish(company, tmp_path)
    assert (tmp_path / "analytics.duckdb").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["analytics.duckdb"]
    _publish(company, tmp_path)


def test_what_a_killed_process_left_is_removed(company: Path, tmp_path: Path) -> None:
    leftover = tmp_path / ".analytics.duckdb.999999999-0a1b2c3d.building"
    leftover.write_bytes(b"half a file")
    stranger = tmp_path / "notes.txt"
    stranger.write_text("keep me")
    _publish(company, tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["analytics.duckdb", "notes.txt"]


def test_a_reader_of_the_old_file_keeps_it(own_company: Path, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    published = _publish(own_company, folder)
    with published.path.open("rb") as reader:
        head = reader.read(4096)
        with duckdb.connect(str(own_company)) as connection:
            connection.execute("delete from marts.fct_orders")
        assert _publish(own_company, folder).tables["marts.fct_orders"] == 0
        reader.seek(0)
        assert reader.read(4096) == head
        assert len(head) + len(reader.read()) == published.bytes


def test_a_table_of_dropped_columns_only_is_left_out(company: Path, tmp_path: Path) -> None:
    words = privacy_of_company()
    words["marts.fct_consent"] = dict.fromkeys(words["marts.fct_consent"], "drop")
    published = publish_analytics(company, tmp_path, words, SECRET)
    assert "marts.fct_consent" not in published.tables
    assert "marts.fct_consent" not in _contents(published.path)


def test_without_a_warehouse_nothing_is_created(tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match="kindred run"):
        _publish(tmp_path / "none.duckdb", tmp_path / "published")
    assert list(tmp_path.iterdir()) == []


def test_an_open_connection_of_the_same_process_does_not_matter(own_company: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(own_company)) as connection:
        connection.execute("select 1")
        assert _publish(own_company, tmp_path / "published").tables["marts.dim_customer"] > 0
        assert connection.execute(
            "select count(*) from duckdb_databases() where database_name like 'publishing%'"
        ).fetchone() == (0,)
