"""The working file under a key: every way in uses it, a plain file is refused with the way out, and converted."""

import logging
from pathlib import Path

import pytest
import yaml

from orchestration.config import PROJECT_ROOT, Settings
from orchestration.doctor import Verdict, examine
from orchestration.duckdb_files import EncryptionError, is_encrypted
from orchestration.privacy.encryption import EncryptionKeyError
from orchestration.project import Project, convert_warehouse
from orchestration.warehouse import WarehouseLockedError, connect, rewrite

KEY = "a key of the tests, of more than thirty-two characters"


def _project(folder: Path, *, encrypted: bool = True, key: str | None = KEY) -> Project:
    return Project(Settings(data=folder, encryption_key=key, encrypt_working_files=encrypted))


def _fill(project: Project) -> None:
    with project.warehouse() as connection:
        connection.execute("create schema raw; create table raw.people as select 'canary-0815' as name")


def test_every_connection_of_a_run_uses_the_key(tmp_path: Path) -> None:
    project = _project(tmp_path)
    with project.exclusive():
        _fill(project)
        with project.warehouse() as first, connect(project.settings.warehouse) as second:
            first.execute("insert into raw.people values ('another')")
            assert second.execute("select count(*) from kindred.raw.people").fetchall() == [(2,)]
    assert is_encrypted(project.settings.warehouse)
    assert b"canary" not in project.settings.warehouse.read_bytes()


def test_rewriting_the_working_file_keeps_it_encrypted(tmp_path: Path) -> None:
    project = _project(tmp_path)
    with project.exclusive():
        _fill(project)
        rewrite(project.settings.warehouse, lambda connection: connection.execute("delete from raw.people"))
        with project.warehouse() as connection:
            assert connection.execute("select count(*) from raw.people").fetchall() == [(0,)]
    assert is_encrypted(project.settings.warehouse)


def test_a_plain_file_is_refused_and_converted_and_back(tmp_path: Path) -> None:
    plain, encrypted = _project(tmp_path, encrypted=False), _project(tmp_path)
    Project(plain.settings)
    _fill(plain)
    Project(encrypted.settings)
    with pytest.raises(EncryptionError, match="kindred warehouse encrypt"), encrypted.warehouse():
        pass
    assert convert_warehouse(encrypted, encrypted=True)
    assert not convert_warehouse(encrypted, encrypted=True)
    with encrypted.warehouse() as connection:
        assert connection.execute("from raw.people").fetchall() == [("canary-0815",)]
    Project(plain.settings)
    with pytest.raises(EncryptionError, match="kindred warehouse decrypt"), plain.warehouse():
        pass
    assert convert_warehouse(plain, encrypted=False)
    assert b"canary-0815" in plain.settings.warehouse.read_bytes()


def test_converting_waits_for_no_run(tmp_path: Path) -> None:
    project = _project(tmp_path, encrypted=False)
    _fill(project)
    with Project(project.settings).exclusive(), pytest.raises(WarehouseLockedError, match="Another run"):
        convert_warehouse(_project(tmp_path, encrypted=False), encrypted=True)


def test_a_wrong_key_and_a_lost_one_are_said(tmp_path: Path) -> None:
    project = _project(tmp_path)
    _fill(project)
    with (
        pytest.raises(EncryptionError, match="encrypted with another key"),
        _project(tmp_path, key=KEY[::-1]).warehouse(),
    ):
        pass
    with pytest.raises(EncryptionKeyError, match="no key is"), _project(tmp_path, key=None).warehouse():
        pass
    assert is_encrypted(project.settings.warehouse)


def test_the_key_is_in_no_log_and_not_in_the_profile(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        project = _project(tmp_path)
        _fill(project)
    assert KEY not in caplog.text
    assert KEY not in repr(project)
    profile = yaml.safe_load((PROJECT_ROOT / "dbt_project" / "profiles.yml").read_text(encoding="utf-8"))
    outputs = profile["kindred"]["outputs"]
    assert "encryption_key" not in str(outputs)
    assert outputs["duckdb_encrypted"]["plugins"] == [{"module": "orchestration.dbt_plugin"}]


def test_the_doctor_says_where_the_key_comes_from_and_who_can_read(tmp_path: Path) -> None:
    project = _project(tmp_path)
    _fill(project)
    project.settings.warehouse.chmod(0o640)
    project.settings.warehouse.parent.chmod(0o750)
    found = {finding.subject: finding for finding in examine(project.settings)}
    assert found["encryption"].verdict is Verdict.OK
    assert "KINDRED_ENCRYPTION_KEY" in found["encryption"].seen
    assert found["permissions"].verdict is Verdict.WARN
    assert "chmod -R go-rwx" in found["permissions"].remedy
    keyless = {f.subject: f for f in examine(Settings(data=tmp_path, encrypt_working_files=True))}
    assert keyless["encryption"].verdict is Verdict.FAIL
