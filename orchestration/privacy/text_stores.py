"""Stores that name a person by accident: logs, pages, event and run storage. Their values are blanked in place.

Belongs here: text files and SQLite files below the data folder. Does not belong here: landing (see `landing_erasure`),
the warehouse and published files.
"""

import os
import shutil
import sqlite3
import zlib
from pathlib import Path

from orchestration.privacy.landing_rows import BESIDE, disk_error
from orchestration.privacy.scan import readable
from orchestration.privacy.traces import Traces
from orchestration.sources.names import quote

# dbt writes these anew at its next run; compiled statements and results are of use to nobody once a run is over.
_DBT_LEFTOVERS = ("target/compiled", "target/run", "target/run_results.json", "target/catalog.json", "logs")


def clear_dbt(folder: Path) -> int:
    """Delete dbt's logs, results and compiled statements. Returns how many files went."""
    gone = 0
    for name in _DBT_LEFTOVERS:
        path = folder / name
        files = (
            [item for item in path.rglob("*") if item.is_file()] if path.is_dir() else [path] if path.exists() else []
        )
        gone += len(files)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return gone


def blank_files(files: list[Path], traces: Traces) -> int:
    """Replace the person's values in text files. Returns how many places were. Raises ErasureError."""
    places = 0
    for path in files:
        if not any(traces.found_in(part.content) for part in readable(path)):
            continue
        content, found = traces.redact(path.read_bytes())
        places += found
        beside = path.with_name(f"{BESIDE}{path.name}")
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(path, beside)
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise disk_error(error, path.name) from error
    return places


def blank_sqlite(path: Path, traces: Traces) -> int:
    """Replace the person's values in every text cell, delete rows whose packed cells hold one, and write the file anew.

    Returns how many places were. Raises ErasureError when the file cannot be written.
    """
    places = 0
    con = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        con.execute("pragma secure_delete = on")
        con.execute("begin immediate")
        for (table,) in con.execute(
            "select name from sqlite_master where type = 'table' and sql is not null"
        ).fetchall():
            places += _blank_table(con, table, traces)
        con.execute("commit")
        if places:
            con.execute("vacuum")
        con.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.Error as error:
        if con.in_transaction:
            con.execute("rollback")
        raise disk_error(OSError(getattr(error, "sqlite_errorcode", 0), str(error)), path.name) from error
    finally:
        con.close()
    return places


def _blank_table(con: sqlite3.Connection, table: str, traces: Traces) -> int:
    try:
        cursor = con.execute(f"select rowid, * from {quote(table)}")
    except sqlite3.OperationalError:  # A table without rowids holds no text of Dagster's.
        return 0
    names = [item[0] for item in cursor.description][1:]
    changes: list[tuple[int, dict[str, str]]] = []
    doomed: list[int] = []
    places = 0
    for rowid, *cells in cursor:
        blanked = {}
        for name, cell in zip(names, cells, strict=True):
            if isinstance(cell, str):
                content, found = traces.redact(cell.encode(errors="surrogatepass"))
                if found:
                    blanked[name] = content.decode(errors="surrogatepass")
                    places += found
            elif isinstance(cell, bytes) and traces.found_in(_unpacked(cell)):
                doomed.append(rowid)
                places += 1
        if blanked:
            changes.append((rowid, blanked))
    for rowid, blanked in changes:
        settings = ", ".join(f"{quote(name)} = ?" for name in blanked)
        con.execute(f"update {quote(table)} set {settings} where rowid = ?", [*blanked.values(), rowid])
    con.executemany(f"delete from {quote(table)} where rowid = ?", [(rowid,) for rowid in doomed])
    return places


def _unpacked(cell: bytes) -> bytes:
    try:
        return zlib.decompress(cell)
    except zlib.error:
        return cell
