"""The encryption key: from the environment, a command or a file made once; refused with a reason, and never shown."""

import logging
import stat
import sys
from pathlib import Path

import pytest

from orchestration.config import Settings
from orchestration.privacy.encryption import (
    EncryptionKeyError,
    KeyOrigin,
    encryption_key_path,
    key_origin,
    load_encryption_key,
    load_key_of_working_files,
)

KEY = "a key of the tests with forty characters."


def _settings(folder: Path, **given: object) -> Settings:
    return Settings(data=folder, **given)  # type: ignore[arg-type]


def _command(folder: Path, code: str) -> str:
    script = folder / "key command.py"
    script.write_text(code)
    return f"{sys.executable} '{script}'"


def test_the_environment_gives_it_and_nothing_is_written(tmp_path: Path) -> None:
    settings = _settings(tmp_path, encryption_key=f"{KEY}\n")
    assert load_encryption_key(settings) == KEY
    assert load_key_of_working_files(settings) == KEY
    assert list(tmp_path.iterdir()) == []
    assert KEY not in repr(settings)


def test_a_command_prints_it_and_is_run_once(tmp_path: Path) -> None:
    counter = tmp_path / "runs"
    command = _command(tmp_path, f"open({str(counter)!r}, 'a').write('x'); print({KEY!r})")
    settings = _settings(tmp_path, encryption_key_command=command)
    assert [load_encryption_key(settings) for _ in range(3)] == [KEY] * 3
    assert counter.read_text() == "x"
    assert key_origin(settings) is KeyOrigin.COMMAND


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("import sys; print('the key of it, forty characters long, yes'); sys.exit('vault is sealed')", "exit code 1 and said: vault is sealed"),
        ("import sys; sys.exit(3)", "exit code 3 and said: nothing"),
        ("print()", "printed nothing"),
        ("print('short')", "has 5 characters; at least 32"),
        ("print('x' * 20); print('y' * 20)", "line breaks"),
        ("import sys; sys.stdout.buffer.write(bytes(range(128, 180)))", "could not be run"),
    ],
)  # fmt: skip
def test_a_command_that_gives_no_key_is_named_with_what_it_said(tmp_path: Path, code: str, match: str) -> None:
    with pytest.raises(EncryptionKeyError, match=match) as refusal:
        load_encryption_key(_settings(tmp_path, encryption_key_command=_command(tmp_path, code)))
    assert "forty characters" not in str(refusal.value)
    assert "KINDRED_ENCRYPTION_KEY_COMMAND" in str(refusal.value)


@pytest.mark.parametrize(
    ("command", "match"),
    [("", "is empty"), ("/no/such/program", "could not be run: /no/such/program"), ("echo 'x", "Mend its quotes")],
)
def test_a_command_that_is_none_is_named(tmp_path: Path, command: str, match: str) -> None:
    with pytest.raises(EncryptionKeyError, match=match):
        load_encryption_key(_settings(tmp_path, encryption_key_command=command))


def test_a_command_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.privacy.encryption.COMMAND_SECONDS", 0.2)
    with pytest.raises(EncryptionKeyError, match="did not end"):
        load_encryption_key(_settings(tmp_path, encryption_key_command="sleep 30"))


@pytest.mark.parametrize("weak", ["", "short", "x" * 31])
def test_a_short_key_is_refused_without_being_shown(tmp_path: Path, weak: str) -> None:
    with pytest.raises(EncryptionKeyError, match="at least 32") as refusal:
        load_encryption_key(_settings(tmp_path, encryption_key=weak))
    assert not weak or weak not in str(refusal.value)


def test_two_answers_are_none(tmp_path: Path) -> None:
    with pytest.raises(EncryptionKeyError, match="both set"):
        load_encryption_key(_settings(tmp_path, encryption_key=KEY, encryption_key_command="echo"))


def test_it_is_generated_once_for_the_owner_alone_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = _settings(tmp_path)
    with caplog.at_level(logging.WARNING):
        first = load_encryption_key(settings)
    assert len(first) == 64
    assert "KINDRED_ENCRYPTION_KEY" in caplog.text
    assert first not in caplog.text
    caplog.clear()
    assert load_encryption_key(settings) == first
    assert caplog.text == ""
    assert stat.S_IMODE(encryption_key_path(settings).stat().st_mode) == 0o600


def test_a_generated_key_open_to_others_is_refused(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    load_encryption_key(settings)
    encryption_key_path(settings).chmod(0o640)
    with pytest.raises(EncryptionKeyError, match="chmod 600"):
        load_encryption_key(settings)


def test_a_generated_key_does_not_guard_the_file_it_lies_beside(tmp_path: Path) -> None:
    with pytest.raises(EncryptionKeyError, match="would not guard them"):
        load_key_of_working_files(_settings(tmp_path, encrypt_working_files=True))
