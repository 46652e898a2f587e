"""Taking people out of the landing folder.

Belongs here: which files to rewrite, rewriting each once, proving that all other rows are there, and resuming half-way.
Does not belong here: how a file is rewritten (`landing_rows.py`) and the warehouse's rows.

Rows are known by their place where the file is the one that was loaded. Files that were not loaded, or hold discarded rows
(of which nothing but the place is kept), are read and compared with the tombstones that the request has just made.
"""

import json
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.privacy.closure import Closure
from orchestration.privacy.errors import ErasureError
from orchestration.privacy.landing_rows import BESIDE, has_lines, lines_fingerprint, written_beside
from orchestration.privacy.suppression import Gatekeeper, file_hash, unclosed
from orchestration.sources.contract import Contract, Table
from orchestration.sources.deliveries import delivered_files, landed_days
from orchestration.sources.errors import DeliveryError
from orchestration.sources.landed import clear_leftovers
from orchestration.sources.load import LANDED, MALFORMED, day_fingerprint, landed_day

if TYPE_CHECKING:
    import duckdb

    from orchestration.project import Project


@dataclass(frozen=True)
class RewrittenFile:
    """One landed file without the people's rows."""

    table: str
    load_date: date
    file: str
    rows: tuple[int, ...]
    """Numbers of the rows that went, in the file as it was."""
    loaded: bool
    """The warehouse was loaded from the file as it was."""
    after: str
    """SHA-256 of the file as it is now."""


class Journal:
    """What has been rewritten so far, beside the request: a second start does not count rows in a changed file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[RewrittenFile] = []
        if path.exists():
            self.files = [
                RewrittenFile(
                    item["table"],
                    date.fromisoformat(item["load_date"]),
                    item["file"],
                    tuple(item["rows"]),
                    item["loaded"],
                    item["after"],
                )
                for item in json.loads(path.read_text(encoding="utf-8"))
            ]

    def of(self, file: str) -> RewrittenFile | None:
        """What was planned for a file."""
        return next((item for item in self.files if item.file == file), None)

    def add(self, item: RewrittenFile) -> None:
        """Note a rewrite before it is swapped in."""
        self.files = [other for other in self.files if other.file != item.file] + [item]
        content = [{**other.__dict__, "load_date": other.load_date.isoformat()} for other in self.files]
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps(content), encoding="utf-8")
        beside.replace(self.path)


def erase_landing(
    project: "Project",
    con: "duckdb.DuckDBPyConnection",
    closure: Closure,
    keeper: Gatekeeper,
    journal: Journal,
) -> list[RewrittenFile]:
    """Rewrite every landed file that holds rows of the people. Returns the files, those of an earlier start included.

    Raises ErasureError: a file cannot be read or written, or would not have all other rows.
    """
    landing = project.settings.landing
    _clear_leftovers(landing, project.sources)
    places: dict[tuple[str, date, str], set[int]] = {}
    for place in closure.places:
        places.setdefault((place.table, place.load_date, place.file), set()).add(place.row)
    discarded = _files_with_discards(con)
    days = landed_days(landing, project.sources)
    for contract, table in project.tables:
        for day in days:
            try:
                paths = delivered_files(contract, table, day, landing)
            except DeliveryError:
                continue
            if paths:
                _erase_day(con, contract, table, day, landing, paths, places, discarded, keeper, journal)
    return journal.files


def _erase_day(
    con: "duckdb.DuckDBPyConnection",
    contract: Contract,
    table: Table,
    day: date,
    landing: Path,
    paths: Sequence[Path],
    places: dict[tuple[str, date, str], set[int]],
    discarded: Collection[str],
    keeper: Gatekeeper,
    journal: Journal,
) -> None:
    labels = {path.relative_to(landing).as_posix(): path for path in paths}
    planned = [item for item in journal.files if item.file in labels]
    loaded = planned[0].loaded if planned else _is_loaded(con, contract, table, day, landing)
    for label, path in labels.items():
        done = journal.of(label)
        if done is not None and file_hash(path) == done.after:
            continue
        rows = set(places.get((table.raw_name, day, label), set())) if loaded else set()
        if rows or not loaded or label in discarded:
            _rewrite(con, contract, table, day, landing, path, label, rows, loaded, label in discarded, keeper, journal)


def _rewrite(
    con: "duckdb.DuckDBPyConnection",
    contract: Contract,
    table: Table,
    day: date,
    landing: Path,
    path: Path,
    label: str,
    rows: set[int],
    loaded: bool,
    has_discards: bool,
    keeper: Gatekeeper,
    journal: Journal,
) -> None:
    # Lines whose numbers are known need not be understood to be taken out and compared.
    by_line = loaded and not has_discards and has_lines(contract.server)
    try:
        broken: Collection[int] = ()
        if by_line:
            before: tuple[object, ...] = lines_fingerprint(path, rows)
        else:
            with landed_day(con, contract, table, landing, [path]):
                if not loaded or has_discards:
                    rows |= keeper.find(con, table, LANDED, MALFORMED).get(label, set())
                if not rows:
                    return
                broken = unclosed(con, MALFORMED).get(label, ())
                before = _fingerprint(con, rows)
        beside = written_beside(path, contract.server, rows, broken)
        try:
            if by_line:
                after: tuple[object, ...] = lines_fingerprint(beside, ())
            else:
                with landed_day(con, contract, table, landing, [beside]):
                    after = _fingerprint(con, ())
            if before != after:
                raise ErasureError(
                    f"{label}: without the rows to erase, the file would not have the other rows as they were "
                    f"({before[0]} rows expected, {after[0]} found). It was left as it is; please report this."
                )
            keeper.carry_over(table, day, label, path, beside)
            journal.add(RewrittenFile(table.raw_name, day, label, tuple(sorted(rows)), loaded, file_hash(beside)))
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except DeliveryError as error:
        raise ErasureError(
            f"{label} cannot be read, so nobody can say whether the person is in it: {error} Mend or remove the file, then "
            "run `kindred erase --resume`."
        ) from error


def _fingerprint(con: "duckdb.DuckDBPyConnection", without: Collection[int]) -> tuple[int, str, str, int]:
    """Rows, two sums over their hashes, and broken lines: equal when all rows are, whatever their place."""
    there = con.execute("select count(*) from duckdb_tables() where temporary and table_name = ?", [LANDED]).fetchall()[
        0
    ][0]
    rows = [(0, "None", "None")]
    if there:
        rows = con.execute(
            f"""
            select count(*), sum(hash(landed))::varchar, bit_xor(hash(landed))::varchar
            from (select * exclude (_file, _row) from {LANDED} where _row not in (select unnest(?::bigint[]))) as landed
            """,
            [sorted(without)],
        ).fetchall()
    lines = con.execute(
        f"select count(*) from {MALFORMED} where row_number not in (select unnest(?::bigint[]))", [sorted(without)]
    ).fetchall()
    return (rows[0][0], str(rows[0][1]), str(rows[0][2]), lines[0][0])


def _is_loaded(con: "duckdb.DuckDBPyConnection", contract: Contract, table: Table, day: date, landing: Path) -> bool:
    """Whether the warehouse's rows of the day are of the files that lie there."""
    rows = con.execute(
        "select distinct fingerprint from quality.loads where table_name = ? and load_date = ?",
        [f"raw.{table.raw_name}", day],
    ).fetchall()
    return rows == [(day_fingerprint(contract, table, day, landing),)]


def _files_with_discards(con: "duckdb.DuckDBPyConnection") -> set[str]:
    try:
        return {row[0] for row in con.execute("select distinct file from quality.discarded_rows").fetchall()}
    except Exception:
        return set()


def _clear_leftovers(landing: Path, sources: Collection[str]) -> None:
    """Half-written rewrites of an earlier start, and what an extraction that broke off has left: it is taken again."""
    for path in landing.rglob(f"{BESIDE}*"):
        path.unlink()
    clear_leftovers(landing)
    for source in sources:
        for folder in (landing / source).glob(".*"):
            if folder.is_dir():
                shutil.rmtree(folder)
