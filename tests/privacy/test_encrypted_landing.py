"""Erasing a person while landing and warehouse are encrypted: nothing is left in what is read of them, and it is proven."""

import shutil
from pathlib import Path

import pytest
from canary_company import KEY, SECRET, CanaryCompany

from orchestration.config import PROJECT_ROOT
from orchestration.encrypted_files import is_encrypted
from orchestration.privacy import erasure
from orchestration.privacy.closure import Selector
from orchestration.privacy.errors import ResidueError
from orchestration.privacy.scan import readable
from orchestration.project import Project, convert_landing, convert_warehouse, load_project
from orchestration.sources import landed


@pytest.fixture
def project(canary_company: CanaryCompany, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    company = canary_company.copy(tmp_path / "data")
    # In the environment, because dbt opens the encrypted warehouse by it.
    for name, value in {
        "DATA": str(company.data), "CONTRACTS": str(PROJECT_ROOT / "data" / "contracts"), "SECRET": SECRET,
        "ENCRYPTION_KEY": KEY, "ENCRYPT_WORKING_FILES": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"KINDRED_{name}", value)
    return load_project()


def _unpublish(project: Project, _: object) -> None:
    for folder in (project.settings.published, project.settings.quality / "data_docs"):
        shutil.rmtree(folder, ignore_errors=True)


def test_a_person_is_erased_from_an_encrypted_landing_and_what_is_left_is_found(
    project: Project, canary_company: CanaryCompany
) -> None:
    assert convert_warehouse(project, encrypted=True)
    before = convert_landing(project, encrypted=True).files
    landing = project.settings.landing
    email = canary_company.planted.emails[0]
    assert _holds(landing, email), "the search sees into encrypted files"
    # A file that no contract describes: erasing cannot know its form, and must not certify while it is there.
    note = landing / "crm" / "2026-01-05" / "note.txt"
    with landed.create(note) as file:
        file.write(f"call {email} back".encode())
    with pytest.raises(ResidueError, match=r"landing/crm/2026-01-05/note\.txt"):
        erasure.erase(project, [Selector("email", email)], _unpublish)
    assert _holds(landing, email) == {note}
    note.unlink()
    (done,) = erasure.resume(project, _unpublish)
    assert done.certificate.exists()
    assert _holds(landing, email) == set()
    files = [path for path in landing.rglob("*") if path.is_file() and path.stat().st_size]
    assert len(files) == before
    assert all(is_encrypted(path) and path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert _holds(landing, canary_company.planted.emails[1]), "others are still there"


def _holds(landing: Path, value: str) -> set[Path]:
    files = (path for path in landing.rglob("*") if path.is_file())
    return {path for path in files if any(value.encode() in part.content for part in readable(path))}
