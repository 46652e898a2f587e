"""What has landed: the days of a source, and the files of a table on one of them.

Belongs here: the layout of the landing folder. Does not belong here: reading a file (see `read`) and putting files there
(see `extract`).
"""

from datetime import date
from pathlib import Path

from orchestration.sources.compressed import with_compressions
from orchestration.sources.contract import Contract, Table
from orchestration.sources.errors import MissingFileError


def landed_days(landing: Path, sources: set[str]) -> list[date]:
    """The days for which at least one of the sources has a landing folder, in order."""
    days = {
        day
        for source in sources
        for folder in (landing / source).glob("*")
        if folder.is_dir() and (day := _as_date(folder.name)) is not None
    }
    return sorted(days)


def delivered_files(contract: Contract, table: Table, load_date: date, landing: Path) -> list[Path]:
    """The table's files of the day, by name.

    Raises MissingFileError when the contract owes a delivery each day and there is none, or when the source delivered
    other tables but not this one.
    """
    folder = landing / contract.source / load_date.isoformat()
    found_by = (path for glob in with_compressions(table.file_glob) for path in folder.glob(glob))
    files = sorted({path for path in found_by if path.is_file() and path.name[0] not in "._"})
    if not files and (contract.daily or folder.is_dir()):
        found = sorted(path.name for path in folder.glob("*") if path.name[0] not in "._") if folder.is_dir() else []
        raise MissingFileError(
            f"{contract.source}/{load_date}: no file {table.file_glob} has landed"
            + (f" (there: {', '.join(found)})" if found else "")
            + f". Ask {contract.owner} for it, put it there, and run the day again."
        )
    return files


def _as_date(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
