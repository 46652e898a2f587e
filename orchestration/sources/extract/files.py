"""Files of a folder or of a bucket, copied to landing byte by byte.

Belongs here: which files belong to a load date, and their copy. Does not belong here: how a bucket is reached (see
`bucket`) and what is in the files (see `sources.read`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Protocol

from orchestration.sources.compressed import matches
from orchestration.sources.contract import Contract
from orchestration.sources.extract.environment import Environment
from orchestration.sources.extract.errors import AnswerError, UnreachableError
from orchestration.sources.extract.position import end_of
from orchestration.sources.extract.progress import Progress
from orchestration.sources.extract.state import Around, DayState
from orchestration.sources.landed import copy_in
from orchestration.sources.servers import LocalServer, S3Server, has_date, on_day


@dataclass(frozen=True)
class RemoteFile:
    """A file at the source: its path below the place, a text that changes with its content, and its last change."""

    name: str
    version: str
    modified: datetime


class Place(Protocol):
    """Where files lie."""

    label: str

    def files(self) -> Iterable[RemoteFile]:
        """Every file below the place."""

    def copy(self, file: RemoteFile, target: Path) -> None:
        """Write that version of the file to the target; fail if it has changed."""


class FolderPlace:
    """A folder of this machine, or of one that is mounted here."""

    def __init__(self, contract: Contract, folder: Path) -> None:
        self.label = f"{contract.source}: folder {folder}"
        self._folder = folder

    def files(self) -> Iterable[RemoteFile]:
        """Every file below the folder; none when it is not there (yet)."""
        for path in sorted(self._folder.rglob("*")):
            if path.is_file():
                facts = path.stat()
                yield RemoteFile(
                    path.relative_to(self._folder).as_posix(),
                    f"{facts.st_size}-{facts.st_mtime_ns}",
                    datetime.fromtimestamp(facts.st_mtime, UTC),
                )

    def copy(self, file: RemoteFile, target: Path) -> None:
        """Copy, and look whether somebody wrote meanwhile. Raises UnreachableError."""
        path = self._folder / file.name
        try:
            copy_in(path, target)
            facts = path.stat()
        except OSError as error:
            raise UnreachableError(f"{self.label}: {file.name} cannot be copied: {error.strerror}") from error
        if f"{facts.st_size}-{facts.st_mtime_ns}" != file.version:
            raise UnreachableError(f"{self.label}: {file.name} was written to while it was copied; run the day again")


def take_files(
    contract: Contract, days: Around, folder: Path, progress: Progress, environment: Environment | None = None
) -> DayState | None:
    """Copy the load date's files into the folder.

    Where the place's path holds the date, these are all its files; otherwise those that no earlier day took (or took in
    another version) and that were last changed before the load date's end. A copy that was cut off goes on where it was.

    Returns the state, or None when nothing is there, or when the marker that the contract names is not.

    Raises:
        UnreachableError: the place does not answer, or a file changed while it was copied.
        AccessError: the place refuses us.
        AnswerError: a file's name cannot be a path in landing.
    """
    place, dated, marker = _place(contract, days.load_date, environment)
    listed = list(place.files())
    if marker is not None and all(file.name != marker for file in listed):
        return None
    ours = [file for file in listed if _is_delivered(file, contract)]
    chosen = ours if dated else _new(ours, days)
    if not chosen:
        return None
    for file in sorted(chosen, key=lambda file: file.name):
        target = folder / _safe(file.name, place.label)
        if progress.get(file.name) == file.version and target.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        place.copy(file, target)
        progress.set(file.name, file.version)
    _drop_others(folder, {file.name for file in chosen})
    taken = {file.name: file.version for file in chosen}
    before = {} if dated or days.previous is None else days.previous.seen
    still_there = {file.name for file in ours}
    seen = {name: version for name, version in before.items() if name in still_there} | taken
    return DayState(seen=seen, taken=frozenset(taken))


def _place(contract: Contract, load_date: date, environment: Environment | None) -> tuple[Place, bool, str | None]:
    server = contract.server
    if isinstance(server, S3Server):
        from orchestration.sources.extract.bucket import BucketPlace

        place = BucketPlace(contract, server, on_day(server.prefix, load_date), environment)
        return place, has_date(server.prefix), server.marker
    assert isinstance(server, LocalServer)
    assert server.folder is not None
    folder = FolderPlace(contract, Path(on_day(server.folder, load_date)))
    return folder, has_date(server.folder), server.marker


def _is_delivered(file: RemoteFile, contract: Contract) -> bool:
    return PurePosixPath(file.name).name[0] not in "._" and any(
        matches(file.name, table.file_glob) for table in contract.tables
    )


def _new(files: list[RemoteFile], days: Around) -> list[RemoteFile]:
    before = days.previous.seen if days.previous else {}
    # A later day that has landed began with what had been taken then: only that can belong to this day.
    bound = days.following.seen_before if days.following is not None else None
    return [
        file
        for file in files
        if before.get(file.name) != file.version
        and file.modified < end_of(days.load_date)
        and (bound is None or bound.get(file.name) == file.version)
    ]


def _safe(name: str, label: str) -> str:
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in name or any(ord(letter) < 32 for letter in name):
        raise AnswerError(
            f"{label}: the name {name!r} cannot be a path in landing. Ask for the file under another name."
        )
    return name


def _drop_others(folder: Path, names: set[str]) -> None:
    """Remove copies of an earlier attempt that no longer belong to the day."""
    for path in folder.rglob("*"):
        if path.is_file() and path.name[0] not in "._" and path.relative_to(folder).as_posix() not in names:
            path.unlink()
