"""The installation's secret: taken from the environment, or generated once and kept for the owner alone."""

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestration.config import Settings
from orchestration.privacy.secret import SecretError, load_secret, secret_path


def _settings(folder: Path, secret: str | None = None) -> Settings:
    return Settings(data=folder, secret=secret)


def test_environment_wins_and_nothing_is_written(tmp_path: Path) -> None:
    assert load_secret(_settings(tmp_path, "a secret of good length\n")) == b"a secret of good length"
    assert list(tmp_path.iterdir()) == []


def test_is_generated_once_for_the_owner_alone_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        first = load_secret(_settings(tmp_path))
    assert len(first) == 64
    assert "KINDRED_SECRET" in caplog.text
    assert first.decode() not in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert load_secret(_settings(tmp_path)) == first
    assert caplog.text == ""
    path = secret_path(_settings(tmp_path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_two_installations_have_different_secrets(tmp_path: Path) -> None:
    assert load_secret(_settings(tmp_path / "a")) != load_secret(_settings(tmp_path / "b"))


def test_processes_that_race_agree_on_one_secret(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        secrets = list(pool.map(lambda _: load_secret(settings), range(24)))
    assert len(set(secrets)) == 1


@pytest.mark.parametrize("weak", ["", "short", "x" * 15])
def test_a_short_secret_is_refused_without_being_shown(tmp_path: Path, weak: str) -> None:
    with pytest.raises(SecretError, match="at least 16") as refusal:
        load_secret(_settings(tmp_path, weak))
    assert not weak or weak not in str(refusal.value)


def test_a_key_file_open_to_others_is_refused(tmp_path: Path) -> None:
    load_secret(_settings(tmp_path))
    path = secret_path(_settings(tmp_path))
    path.chmod(0o644)
    with pytest.raises(SecretError, match="chmod 600"):
        load_secret(_settings(tmp_path))


def test_an_emptied_key_file_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    load_secret(_settings(tmp_path))
    path = secret_path(_settings(tmp_path))
    path.write_bytes(b"")
    with pytest.raises(SecretError, match="0 bytes"):
        load_secret(_settings(tmp_path))
    assert path.read_bytes() == b""


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a file where the folder belongs")
    with pytest.raises(SecretError, match="KINDRED_SECRET"):
        load_secret(_settings(tmp_path))
