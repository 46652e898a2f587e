"""Roles: nobody is hindered on a laptop; once roles are configured, only who has one may act, and refusals are logged."""

from pathlib import Path

import pytest

from orchestration.config import Settings
from orchestration.ledger.audit import entries, verify
from orchestration.ledger.store import Ledger
from orchestration.privacy.access import AccessError, allows, identify, known_roles, require

ROLES = ("analyst", "engineer", "marketer", "privacy_officer", "steward")


@pytest.fixture(autouse=True)
def anna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINDRED_USER", "anna@example.com")
    monkeypatch.delenv("KINDRED_ROLE", raising=False)
    monkeypatch.delenv("KINDRED_ROLES_FILE", raising=False)


def _users(folder: Path, text: str) -> Path:
    path = folder / "roles.yml"
    path.write_text(text)
    return path


def test_without_roles_there_is_one_user_who_may_do_everything(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    assert {require(settings, permission) for permission in known_roles().permissions} == {"anna@example.com"}
    assert "every permission" in identify(settings).words
    assert not (tmp_path / "ledger").exists()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_of_the_environment_may_do_what_its_role_may_and_no_more(tmp_path: Path, role: str) -> None:
    settings = Settings(data=tmp_path, role=role)
    held = known_roles().roles[role]
    for permission in known_roles().permissions:
        if permission in held:
            assert require(settings, permission) == "anna@example.com"
        else:
            with pytest.raises(AccessError, match="anna@"):
                require(settings, permission)
    logged = entries(Ledger.of(settings))
    assert {entry.subject for entry in logged} == set(known_roles().permissions) - held
    assert {entry.action for entry in logged} <= {"access.refuse"}


def test_a_refusal_names_who_may_and_is_in_the_audit_chain(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, role="analyst")
    with pytest.raises(AccessError, match=r"Roles that may: privacy_officer"):
        require(settings, "erasure.request")
    (entry,) = entries(Ledger.of(settings))
    assert (entry.action, entry.actor, entry.subject) == ("access.refuse", "anna@example.com", "erasure.request")
    assert entry.details == {"roles": ["analyst"]}
    assert verify(Ledger.of(settings)) == []


def test_a_roles_file_knows_its_users_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _users(tmp_path, "users: {anna@example.com: [steward, engineer], bob@example.com: marketer}\n")
    settings = Settings(data=tmp_path)
    assert identify(settings).roles == ("steward", "engineer")
    assert require(settings, "judgement.decide")
    assert require(settings, "publish")
    monkeypatch.setenv("KINDRED_USER", "bob@example.com")
    assert identify(Settings(data=tmp_path / "elsewhere", roles_file=path)).roles == ("marketer",)
    monkeypatch.setenv("KINDRED_USER", "eve")
    with pytest.raises(AccessError, match="no role"):
        require(settings, "consent.show")


def test_the_environment_cannot_give_a_role_that_the_file_does_not(tmp_path: Path) -> None:
    _users(tmp_path, "users: {anna@example.com: [steward, engineer]}\n")
    assert identify(Settings(data=tmp_path, role="steward")).roles == ("steward",)
    with pytest.raises(AccessError):
        require(Settings(data=tmp_path, role="steward"), "publish")
    with pytest.raises(AccessError):
        require(Settings(data=tmp_path, role="privacy_officer"), "erasure.request")


@pytest.mark.parametrize("text", ["users: [anna]", "[]", "users: {a: [king]}", "users: {a: [x", "", "nobody: {}"])
def test_a_roles_file_that_cannot_be_understood_lets_nobody_in(tmp_path: Path, text: str) -> None:
    _users(tmp_path, text)
    with pytest.raises(AccessError):
        require(Settings(data=tmp_path), "consent.show")


def test_a_missing_named_roles_file_lets_nobody_in(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="nobody may do anything"):
        require(Settings(data=tmp_path, roles_file=tmp_path / "none.yml"), "consent.show")


def test_an_unknown_role_is_refused_and_an_unknown_permission_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="known are"):
        require(Settings(data=tmp_path, role="king"), "consent.show")
    with pytest.raises(ValueError, match="no permission"):
        require(Settings(data=tmp_path), "consent.shwo")
    with pytest.raises(ValueError, match="no permission"):
        allows(identify(Settings(data=tmp_path)), "consent.shwo")


def test_a_ledger_that_cannot_be_written_does_not_let_anybody_in(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, role="analyst", ledger_url="sqlite:////proc/none/ledger.sqlite")
    with pytest.raises(AccessError, match="could not be logged"):
        require(settings, "consent.set")
