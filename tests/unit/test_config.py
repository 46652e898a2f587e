"""Settings from the environment: what is wrong is said by the variable's name, without a stack trace or a secret."""

import subprocess
import sys

import pytest

from orchestration.config import _ALLOWED, Settings, SettingsError, load_settings


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("TOKEN_PERIOD", "Every Year", "never, year, month, or a label"),
        ("K_ANONYMITY", "1", "a whole number of at least 2"),
        ("K_ANONYMITY", "many", "a whole number of at least 2"),
        ("ENGINE", "sqlite", "duckdb or spark"),
        ("THREADS", "0", "a whole number of at least 1"),
        ("THREADS", "all", "a whole number of at least 1"),
        ("MEMORY_LIMIT", "80%", "a number with its unit"),
        ("MEMORY_LIMIT", "4", "a number with its unit"),
        ("ENCRYPT_WORKING_FILES", "perhaps", "true or false"),
    ],
)
def test_a_wrong_setting_is_told_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(f"KINDRED_{name}", value)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert str(caught.value).startswith(f"KINDRED_{name} is {value!r}; allowed: {allowed}")


@pytest.mark.parametrize("value", ["4GB", "4 gb", "512MiB", "0.5g"])
def test_limits_of_memory_that_duckdb_reads(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("KINDRED_MEMORY_LIMIT", value)

    assert load_settings().memory_limit == value


def test_every_wrong_setting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINDRED_THREADS", "x")
    monkeypatch.setenv("KINDRED_ENGINE", "y")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert [line.partition(" ")[0] for line in str(caught.value).splitlines()] == ["KINDRED_ENGINE", "KINDRED_THREADS"]


def test_what_a_secret_was_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration import config

    told = config._told("secret", "hunter2", "too short")

    assert (told, "hunter2" in told) == ("KINDRED_SECRET is set to something else; allowed: too short", False)
    assert Settings.model_fields.keys() >= config._SECRETS | _ALLOWED.keys()


def test_the_command_line_prints_it_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", "status"],
        env={"KINDRED_K_ANONYMITY": "one", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr == "kindred: KINDRED_K_ANONYMITY is 'one'; allowed: a whole number of at least 2, such as 5\n"
