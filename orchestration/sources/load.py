"""Loading one landed day of a table into `raw`: typed by the contract, replaced as a whole, accounted for.

Belongs here: finding the day's files, typing their rows, quarantining what cannot be typed, and the bookkeeping that
makes a second load of the same files a no-op. Does not belong here: reading files (see `read`) and judging values (see
the quality gates).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from orchestration.ledger.decisions import Decisions, RowDecision, no_decisions
from orchestration.quality.decided import decisions_applied, ensure_decided_tables
from orchestration.quality.decided import replace_day as replace_decided
from orchestration.quality.history import ensure_tables
from orchestration.quality.profiles import keep_profile, keep_refusal, seen_columns
from orchestration.quality.quarantine import ensure_quarantine_table
from orchestration.quality.suppressed import ensure_suppressed_table, note_suppressed
from orchestration.sources.contract import Contract, Table
from orchestration.sources.corrections import MALFORMED, Applied, apply_decisions
from orchestration.sources.deliveries import delivered_files
from orchestration.sources.drift import DriftRules, profile_landed
from orchestration.sources.errors import DriftError
from orchestration.sources.landed import content_hash, encrypt_file, encrypts
from orchestration.sources.names import literal, quote
from orchestration.sources.raw_table import kept_extras, raw_columns, raw_differs, widen
from orchestration.sources.read import read_file
from orchestration.sources.reading import Delivered
from orchestration.sources.typed import Survey, expected, landed_types, refuse_retyped, survey, typed, untypable

if TYPE_CHECKING:
    from orchestration.privacy.suppression import Gatekeeper

# Part of every fingerprint: raise it when the loader would make other rows of the same files.
LOADER_VERSION = "2"
LANDED = "landed_rows"
FOUND = "found_columns"


@dataclass(frozen=True)
class LoadResult:
    """What became of one table's day. Rows landed = rows loaded + quarantined by the loader + discarded by people."""

    table: str
    load_date: date
    files: tuple[str, ...]
    rows_landed: int
    rows_loaded: int
    rows_quarantined: int
    unchanged: bool
    """The same files under the same contract were loaded before; nothing was done."""


def load_day(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    load_date: date,
    landing: Path,
    run_id: str,
    decisions: Decisions = no_decisions,
    keeper: "Gatekeeper | None" = None,
    *,
    force: bool = False,
) -> LoadResult:
    """Load the table's files of one day into `raw.<source>__<table>`, replacing what an earlier load of the day put there.

    All or nothing: on any error the table is as before. Rows whose text is no value of the column's type, and lines that
    are no rows, go to quarantine. What people decided about rows of the day is applied before that.

    Args:
        decisions: looks up what people decided about a table's day (see `orchestration.sources.corrections`).
        keeper: holds back rows of erased people, and takes them out of the landed files before anything is kept.
        force: load the day even when neither files, contract nor decisions changed since it was loaded.

    Raises:
        DeliveryError: a file is missing, unreadable, or does not have the contract's columns.
        EncryptionKeyError, LandingKeyError, ChangedMeanwhileError: a file could not be encrypted.
        PrivacyError: erased people could not be held back: the key of their tombstones is lost, or the disk is full.
    """
    ensure_tables(con)
    ensure_quarantine_table(con, table.raw_name)
    ensure_decided_tables(con)
    ensure_suppressed_table(con)
    if raw_differs(con, table, kept_extras(con, contract, table)):
        _rebuild(con, contract, table, landing, run_id, decisions, keeper)
    files = _collected(contract, table, load_date, landing)
    fingerprint = _fingerprint(contract, files)
    decided = decisions(table.raw_name, load_date)
    known = _known_load(con, table, load_date, fingerprint)
    same = {decision.decision_id for decision in decided} == decisions_applied(con, table.raw_name, load_date)
    if known is not None and same and not force:
        return known
    try:
        if keeper is not None and _hold_back(con, contract, table, load_date, landing, files, keeper):
            fingerprint = _fingerprint(contract, files)
        suppressed = keeper.counts(table, load_date, landing) if keeper is not None else {}
        return _load_files(con, contract, table, load_date, landing, files, fingerprint, run_id, decided, suppressed)
    except DriftError as error:
        keep_refusal(con, f"raw.{table.raw_name}", load_date, error.refused)
        raise


def _hold_back(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    load_date: date,
    landing: Path,
    files: list[Path],
    keeper: "Gatekeeper",
) -> bool:
    """Take the rows of erased people out of the day's files. Returns whether there were any."""
    if not keeper.is_needed:
        return False
    rules = DriftRules(contract.drift_policy, seen_columns(con, f"raw.{table.raw_name}", load_date))
    with landed_day(con, contract, table, landing, files, rules):
        held = keeper.find(con, table, LANDED, MALFORMED)
        keeper.take_out(con, contract, table, load_date, landing, held, MALFORMED)
    return bool(held)


def _collected(contract: Contract, table: Table, load_date: date, landing: Path) -> list[Path]:
    """The day's files; those that others put there are encrypted first, where landing is."""
    files = delivered_files(contract, table, load_date, landing)
    for path in files:
        if encrypts(path):
            encrypt_file(path)
    return files


def day_fingerprint(contract: Contract, table: Table, load_date: date, landing: Path) -> str:
    """The fingerprint under which the day's files would be loaded now (see `quality.loads`).

    Raises MissingFileError as `delivered_files` does.
    """
    return _fingerprint(contract, delivered_files(contract, table, load_date, landing))


def _load_files(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    load_date: date,
    landing: Path,
    files: list[Path],
    fingerprint: str,
    run_id: str,
    decided: Sequence[RowDecision],
    suppressed: Mapping[str, int],
) -> LoadResult:
    with _transaction(con):
        _place_day(con, contract, table, load_date, landing, files, fingerprint, run_id, decided)
        note_suppressed(con, table.raw_name, load_date, suppressed)
    result = _known_load(con, table, load_date, fingerprint)
    assert result is not None
    return LoadResult(**{**result.__dict__, "unchanged": False})


def _place_day(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    load_date: date,
    landing: Path,
    files: list[Path],
    fingerprint: str,
    run_id: str,
    decided: Sequence[RowDecision],
) -> None:
    """Read a day's files and put their rows in the place of what the day held. Runs inside a transaction."""
    rules = DriftRules(contract.drift_policy, seen_columns(con, f"raw.{table.raw_name}", load_date))
    with landed_day(con, contract, table, landing, files, rules) as landed_rows:
        applied = apply_decisions(con, table, LANDED, decided)
        found = survey(con, table, LANDED) if landed_rows else None
        if found is not None:
            refuse_retyped(con, table, f"{contract.source}/{load_date}", LANDED, found)
        _replace_day(con, contract, table, load_date, landed_rows, found, fingerprint, run_id, applied)


@contextmanager
def landed_day(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    landing: Path,
    files: Sequence[Path],
    rules: DriftRules | None = None,
) -> Iterator[dict[str, int]]:
    """Have a day's files in the temporary tables `landed_rows` (when there are files) and `malformed_lines`, and the
    names of what they hold in `found_columns`.

    Yields how many rows each file has, lines that are no rows counted, by the file's path below landing.

    Raises DeliveryError.
    """
    con.execute(f"drop table if exists {LANDED}")
    con.execute(f"create or replace temp table {FOUND} (physical_name varchar)")
    con.execute(
        f"create or replace temp table {MALFORMED} (file varchar, row_number bigint, text varchar, reason varchar)"
    )
    rules = rules or DriftRules(contract.drift_policy)
    try:
        rows = {}
        for path in files:
            label = path.relative_to(landing).as_posix()
            read = read_file(Delivered(con, contract, table, path, label, LANDED, rules))
            con.execute(f"insert into {FOUND} select unnest(?::varchar[])", [list(read.found)])
            rows[label] = read.rows + len(read.malformed)
            if read.malformed:
                con.executemany(
                    f"insert into {MALFORMED} values (?, ?, ?, ?)",
                    [[label, line.row, line.text, line.reason] for line in read.malformed],
                )
        yield rows
    finally:
        # In a transaction that an error has ended nothing can be dropped; its end forgets the tables.
        with suppress(duckdb.TransactionException):
            for name in (LANDED, MALFORMED, FOUND):
                con.execute(f"drop table if exists {name}")


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.execute("begin")
    try:
        yield
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise


def _replace_day(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    load_date: date,
    landed_rows: dict[str, int],
    found: Survey | None,
    fingerprint: str,
    run_id: str,
    applied: Applied,
) -> None:
    con.execute(f"delete from raw.{table.raw_name} where _load_date = ?", [load_date])
    con.execute(f"delete from quarantine.{table.raw_name} where load_date = ?", [load_date])
    con.execute(
        "delete from quality.loads where table_name = ? and load_date = ?", [f"raw.{table.raw_name}", load_date]
    )
    _quarantine_malformed(con, table, load_date, run_id)
    if found is not None:
        bad = _quarantine_untypable(con, table, load_date, run_id, found)
        widen(con, table, _landed_extras(con, table))
        _insert_typed(con, table, load_date, bad)
    replace_decided(con, table.raw_name, load_date, applied.decisions, applied.discarded)
    _record_loads(con, table, load_date, landed_rows, fingerprint, run_id)
    profile = profile_landed(con, contract, table, LANDED, FOUND, found) if found is not None else []
    keep_profile(con, f"raw.{table.raw_name}", load_date, profile)


def _landed_extras(con: duckdb.DuckDBPyConnection, table: Table) -> list[str]:
    """The landed columns that the contract does not know, by name."""
    known = {"_file", "_row", *(column.name for column in table.columns)}
    return sorted(name for name in landed_types(con, LANDED) if name not in known)


def _quarantine_untypable(
    con: duckdb.DuckDBPyConnection, table: Table, load_date: date, run_id: str, found: Survey
) -> list[str]:
    """Quarantine the rows that cannot be typed. Returns the conditions under which there are any."""
    types = landed_types(con, LANDED)
    key = _row_key(table)
    names = ", ".join(f"{quote(column.name)} := {quote(column.name)}" for column in table.columns)
    bad = {column.name: column for column in table.columns if column.name in found.bad}
    conditions = [untypable(column, types[column.name]) for column in bad.values()]
    for column, condition in zip(bad.values(), conditions, strict=True):
        con.execute(
            f"""
            insert into quarantine.{table.raw_name} by name
            select
                ?::date as load_date,
                {literal(f"type:{column.name}")} as check_name,
                {literal(column.name)} as column_name,
                {quote(column.name)}::varchar as value,
                {key} as row_key,
                _file as file,
                _row as row_number,
                to_json(struct_pack({names})) as record,
                {literal(f"{column.name} is not a {expected(column)}")} as reason,
                ? as run_id,
                now()::timestamp as quarantined_at
            from {LANDED}
            where {condition}
            """,
            [load_date, run_id],
        )
    return conditions


def _quarantine_malformed(con: duckdb.DuckDBPyConnection, table: Table, load_date: date, run_id: str) -> None:
    con.execute(
        f"""
        insert into quarantine.{table.raw_name} by name
        select
            ?::date as load_date,
            'malformed_line' as check_name,
            file,
            row_number,
            text as value,
            to_json(struct_pack(line := text)) as record,
            'the line cannot be read: ' || reason as reason,
            ? as run_id,
            now()::timestamp as quarantined_at
        from {MALFORMED}
        """,
        [load_date, run_id],
    )


def _row_key(table: Table) -> str:
    if not table.keys:
        return "null::varchar"
    return "concat_ws('|', " + ", ".join(f"{quote(column.name)}::varchar" for column in table.keys) + ")"


def _insert_typed(con: duckdb.DuckDBPyConnection, table: Table, load_date: date, untypable_if: Sequence[str]) -> None:
    types = landed_types(con, LANDED)
    columns = ", ".join(f"{typed(column, types[column.name])} as {quote(column.name)}" for column in table.columns)
    columns += "".join(f", nullif({quote(name)}, '') as {quote(name)}" for name in _landed_extras(con, table))
    # Typing every value a second time to leave nobody out would double the cost of a clean day.
    bad = " or ".join(untypable_if) or "false"
    con.execute(
        f"""
        insert into raw.{table.raw_name} by name
        select {columns}, ?::date as _load_date, _file, _row
        from {LANDED}
        where not ({bad})
        """,
        [load_date],
    )


def _record_loads(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    load_date: date,
    landed_rows: dict[str, int],
    fingerprint: str,
    run_id: str,
) -> None:
    # A day on which nothing was owed and nothing came is recorded too, so that it is known to have been looked at.
    for label, landed in (landed_rows or {"(none)": 0}).items():
        con.execute(
            f"""
            insert into quality.loads by name
            with loaded as (
                select count(*) as n from raw.{table.raw_name} where _load_date = $day and _file = $file
            ),
            quarantined as (
                select count(distinct row_number) as n
                from quarantine.{table.raw_name}
                where load_date = $day and file = $file
            )
            select
                $name as table_name,
                $day::date as load_date,
                $file as file,
                $fingerprint as fingerprint,
                $landed as rows_landed,
                loaded.n as rows_loaded,
                quarantined.n as rows_quarantined,
                now()::timestamp as loaded_at,
                $run as run_id
            from loaded, quarantined
            """,
            {
                "name": f"raw.{table.raw_name}",
                "day": load_date,
                "file": label,
                "landed": landed,
                "fingerprint": fingerprint,
                "run": run_id,
            },
        )


def _known_load(con: duckdb.DuckDBPyConnection, table: Table, load_date: date, fingerprint: str) -> LoadResult | None:
    rows = con.execute(
        """
        select file, rows_landed, rows_loaded, rows_quarantined
        from quality.loads
        where table_name = ? and load_date = ? and fingerprint = ?
        order by file
        """,
        [f"raw.{table.raw_name}", load_date, fingerprint],
    ).fetchall()
    if not rows:
        return None
    return LoadResult(
        table=table.raw_name,
        load_date=load_date,
        files=tuple(row[0] for row in rows if row[0] != "(none)"),
        rows_landed=sum(row[1] for row in rows),
        rows_loaded=sum(row[2] for row in rows),
        rows_quarantined=sum(row[3] for row in rows),
        unchanged=True,
    )


def _fingerprint(contract: Contract, files: list[Path]) -> str:
    digest = hashlib.sha256(f"{LOADER_VERSION}\n{contract.fingerprint_text}\n".encode())
    for path in files:
        digest.update(f"{path.name}\n{content_hash(path)}\n".encode())
    return digest.hexdigest()


def _rebuild(
    con: duckdb.DuckDBPyConnection,
    contract: Contract,
    table: Table,
    landing: Path,
    run_id: str,
    decisions: Decisions,
    keeper: "Gatekeeper | None",
) -> None:
    """Make raw.<table> anew in the contract's shape and load again every day that it held: landing is the truth.

    When a day does not fit the new contract, everything stays as it was.
    """
    days = [
        row[0]
        for row in con.execute(
            "select distinct load_date from quality.loads where table_name = ? order by 1", [f"raw.{table.raw_name}"]
        ).fetchall()
    ]
    with _transaction(con):
        con.execute(f"create or replace table raw.{table.raw_name} ({', '.join(raw_columns(table))})")
        for day in days:
            files = _collected(contract, table, day, landing)
            fingerprint = _fingerprint(contract, files)
            decided = decisions(table.raw_name, day)
            _place_day(con, contract, table, day, landing, files, fingerprint, run_id, decided)
            if keeper is not None:
                note_suppressed(con, table.raw_name, day, keeper.counts(table, day, landing))
