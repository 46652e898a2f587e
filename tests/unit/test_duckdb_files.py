"""DuckDB files with and without a key: nothing readable in their bytes, refusals that say why, rewriting that forgets."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration import duckdb_files
from orchestration.duckdb_files import (
    EncryptionError,
    connect,
    decrypt,
    encrypt,
    forget_key,
    is_encrypted,
    opened,
    rewrite,
    use_key,
)

KEY = "a key of the tests, of more than thirty-two characters; it's quoted"
CANARY = "canary-4711-Zoë"
BYTES = CANARY.encode()

FILL = f"""
    create schema raw; create schema staging; create schema marts;
    create table raw.people (id integer primary key, name varchar not null);
    insert into raw.people values (1, 'other person'), (2, '{CANARY}');
    create view staging.people as select * from kindred.raw.people;
    create view staging.again as select * from kindred.staging.people;
    create table marts.people as select * from staging.again;
    create index by_name on marts.people (name);
    comment on table marts.people is 'One row per person.';
"""


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A filled file, once plain and once encrypted."""
    path = tmp_path / "kindred.duckdb"
    if request.param:
        use_key(path, lambda: KEY)
    with opened(path) as connection:
        connection.execute(FILL)
    yield path
    forget_key(path)


def _delete(connection: duckdb.DuckDBPyConnection) -> None:
    for table in ("raw.people", "marts.people"):
        connection.execute(f"delete from {table} where name = '{CANARY}'")


def test_bytes_tell_only_when_plain(file: Path) -> None:
    assert (BYTES in file.read_bytes()) is not is_encrypted(file)


def test_the_log_of_an_encrypted_file_tells_nothing_either(tmp_path: Path) -> None:
    found = {}
    for key in (None, KEY):
        path = tmp_path / str(bool(key)) / "kindred.duckdb"
        path.parent.mkdir()
        if key:
            use_key(path, lambda: KEY)
        with opened(path) as connection:
            connection.execute(f"create table t as select '{CANARY}' as v")
            log = path.with_name(path.name + ".wal").read_bytes()
        forget_key(path)
        found[key] = BYTES in log
        assert len(log) > 100
    assert found == {None: True, KEY: False}


def test_what_is_spilled_is_encrypted_and_lies_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "kindred.duckdb"
    use_key(path, lambda: KEY)
    with opened(path) as connection:
        settings = dict(connection.execute("select name, value from duckdb_settings()").fetchall())
    forget_key(path)
    assert settings["temp_directory"] == f"{path}.tmp"
    assert settings["temp_file_encryption"] == "true"


def test_names_are_those_of_a_plain_file(file: Path) -> None:
    with opened(file) as connection:
        assert connection.execute("select current_database()").fetchall() == [("kindred",)]
        assert connection.execute("select name from marts.people order by id").fetchall()[1] == (CANARY,)
        assert connection.execute("select count(*) from kindred.staging.again").fetchall() == [(2,)]


def test_two_connections_of_a_process_see_one_database(file: Path) -> None:
    with opened(file) as first, opened(file) as second:
        first.execute("insert into raw.people values (3, 'third')")
        assert second.execute("select count(*) from raw.people").fetchall() == [(3,)]


def test_another_process_is_locked_out(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from orchestration import duckdb_files as d; p = Path(sys.argv[1]);"
        "d.use_key(p, lambda: sys.argv[2]) if sys.argv[2] else None; d.connect(p)"
    )
    key = KEY if is_encrypted(file) else ""
    with opened(file):
        done = subprocess.run([sys.executable, "-c", code, str(file), key], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Could not set lock" in done.stderr
    assert KEY not in done.stderr


def test_rewriting_forgets_what_was_deleted_and_keeps_the_rest(file: Path) -> None:
    file.chmod(0o640)
    rewrite(file, _delete)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    with opened(file) as connection:
        assert connection.execute("from staging.again").fetchall() == [(1, "other person")]
        assert connection.execute("select comment from duckdb_tables() where comment is not null").fetchall() == [
            ("One row per person.",)
        ]
        assert connection.execute("select index_name from duckdb_indexes()").fetchall() == [("by_name",)]
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into raw.people values (1, 'again')")
    if is_encrypted(file):
        decrypt(file, KEY)
    assert BYTES not in file.read_bytes()
    assert b"other person" in file.read_bytes()
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_deleting_alone_does_not_forget(tmp_path: Path) -> None:
    """What makes `rewrite` needed, so that the test above cannot pass for another reason."""
    path = tmp_path / "kindred.duckdb"
    with opened(path) as connection:
        connection.execute(FILL)
    with opened(path) as connection:
        _delete(connection)
    assert BYTES in path.read_bytes()
    rewrite(path)
    assert BYTES not in path.read_bytes()


def test_a_failing_change_leaves_everything_as_it_was(file: Path) -> None:
    before = file.read_bytes()

    def fail(connection: duckdb.DuckDBPyConnection) -> None:
        _delete(connection)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        rewrite(file, fail)
    assert file.read_bytes() == before
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_what_a_killed_rewriting_left_is_removed(file: Path) -> None:
    left = file.with_name(f".{file.name}.999999999-0a1b2c3d.rewriting")
    left.mkdir()
    (left / file.name).write_bytes(BYTES)
    rewrite(file)
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_encrypting_and_decrypting_keep_the_contents(tmp_path: Path) -> None:
    path = tmp_path / "kindred.duckdb"
    with opened(path) as connection:
        connection.execute(FILL)
    encrypt(path, KEY)
    assert is_encrypted(path)
    assert BYTES not in path.read_bytes()
    decrypt(path, KEY)
    with opened(path) as connection:
        assert connection.execute("select name from staging.again order by id").fetchall()[1] == (CANARY,)


def test_wrong_keys_are_refused_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "kindred.duckdb"
    with opened(path) as connection:
        connection.execute(FILL)
    use_key(path, lambda: KEY)
    with pytest.raises(EncryptionError, match="plain file"):
        connect(path)
    encrypt(path, KEY)
    use_key(path, lambda: KEY + "!")
    with pytest.raises(EncryptionError, match="encrypted with another key") as refusal:
        connect(path)
    assert KEY not in str(refusal.value)
    assert refusal.value.__cause__ is None
    forget_key(path)
    with pytest.raises(EncryptionError, match="no key was given"):
        connect(path)


def test_a_changed_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kindred.duckdb"
    use_key(path, lambda: KEY)
    with opened(path) as connection:
        connection.execute(FILL)
    content = bytearray(path.read_bytes())
    for position in range(3 * 4096 + 100, len(content), 4096):
        content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(duckdb.Error, match="AES tag"), opened(path) as connection:
        connection.execute("from marts.people").fetchall()
        connection.execute("from raw.people").fetchall()
    forget_key(path)


def test_without_the_extension_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kindred.duckdb"
    use_key(path, lambda: KEY)
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    with pytest.raises(EncryptionError, match=r"httpfs.*make setup"):
        connect(path)
    monkeypatch.undo()
    monkeypatch.setattr(duckdb_files.duckdb, "__version__", "9.9.9")
    with pytest.raises(EncryptionError, match=r"not for DuckDB 9\.9\.9"):
        connect(path)
    forget_key(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100, os.urandom(4096)])
def test_what_is_no_database_is_not_encrypted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert not is_encrypted(tmp_path / "file")
    assert not is_encrypted(tmp_path / "none")
