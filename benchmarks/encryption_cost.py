"""What encrypting the working files costs: the same bulk SQL on a plain and an encrypted warehouse, and the same day collected
from a plain and an encrypted landing.

Belongs here: the measurement, by hand or from `make bench`. Does not belong here: a promise of seconds; the ratio is what
carries over to another machine.

Usage: python benchmarks/encryption_cost.py [--rows 2000000] [--landed-rows 500000] [--rounds 3] [--memory-mb 2048]
"""

import argparse
import multiprocessing
import os
import resource
import secrets
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from collect_speed import DAY, ROWS

from orchestration.config import PROJECT_ROOT
from orchestration.duckdb_files import opened, rewrite, use_key
from orchestration.privacy.landing_rows import written_beside
from orchestration.privacy.scan import readable
from orchestration.sources import landed
from orchestration.sources.contract import Contract, load_contract
from orchestration.sources.load import load_day
from orchestration.sources.servers import FileFormat
from orchestration.warehouse import connect

FORMATS: dict[FileFormat, str] = {
    "csv": "format csv, header",
    "jsonl": "format json",
    "parquet": "format parquet, compression zstd",
}

STEPS: dict[str, str] = {
    "open": "select 1",
    "write": """
        create or replace table people as
        select i as id, 'name ' || hash(i) % 100000 as name, 'person' || i || '@example.org' as email,
            date '1950-01-01' + (i % 20000)::integer as born, (hash(i, 1) % 1000000) / 100.0 as amount
        from range({rows}) as r(i)
    """,
    "read": "select count(distinct name), sum(amount), max(email), min(born) from people",
    "join and write": """
        create or replace table sums as
        select l.name, count(*) as people, sum(r.amount) as amount
        from people as l inner join people as r on l.id = r.id + 1
        group by l.name
    """,
    "update": "update people set amount = amount + 1 where id % 10 = 0",
}


def main() -> None:
    """Print Markdown tables: median seconds of each step, plain and encrypted, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--landed-rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-mb", type=int, default=0, help="Also read one file of this size; show the memory.")
    arguments = parser.parse_args()
    print(
        f"Processor time, medians of {arguments.rounds} rounds in turns; load of the machine {os.getloadavg()[0]:.1f}\n"
    )
    if arguments.rows:
        _warehouse(arguments.rows, arguments.rounds)
    if arguments.landed_rows:
        _landing(arguments.landed_rows, arguments.rounds)
    if arguments.memory_mb:
        _memory(arguments.memory_mb)


def _warehouse(rows: int, rounds: int) -> None:
    seconds: dict[tuple[str, bool], list[float]] = {}
    with TemporaryDirectory(prefix="kindred-encryption-") as folder:
        files = {encrypted: Path(folder) / str(encrypted) / "kindred.duckdb" for encrypted in (False, True)}
        key = secrets.token_hex(32)
        for encrypted, path in files.items():
            path.parent.mkdir()
            if encrypted:
                use_key(path, lambda: key)
        for _ in range(rounds):
            # In turns, so that what else the machine does falls on both alike.
            for encrypted, path in files.items():
                for step, taken in _round(path, rows):
                    seconds.setdefault((step, encrypted), []).append(taken)
        sizes = {encrypted: path.stat().st_size / 1024**2 for encrypted, path in files.items()}
    print(f"Warehouse, {rows:,} rows; files of {sizes[False]:.0f} and {sizes[True]:.0f} MiB\n")
    _table(seconds)


def _landing(rows: int, rounds: int) -> None:
    for form in FORMATS:
        seconds: dict[tuple[str, bool], list[float]] = {}
        with TemporaryDirectory(prefix="kindred-encryption-") as name:
            folder = Path(name)
            contract = _contract(form)
            files = {encrypted: _delivered(folder / str(encrypted), form, rows) for encrypted in (False, True)}
            landed.use_key(folder / "True", cache(partial(secrets.token_hex, 32)), encrypts=True)
            started = time.process_time()
            landed.encrypt_file(files[True])
            encrypting = time.process_time() - started
            for _ in range(rounds):
                for encrypted, path in files.items():
                    for step, taken in _landing_round(contract, path, folder / str(encrypted)):
                        seconds.setdefault((step, encrypted), []).append(taken)
            size = files[False].stat().st_size / 1024**2
            landed.forget_key(folder / "True")
        print(f"Landing, {form}, {rows:,} rows, {size:.0f} MiB; encrypting the file as it arrives {encrypting:.2f} s\n")
        _table(seconds)


def _contract(form: FileFormat) -> Contract:
    """The CRM's, delivered in that form."""
    found = load_contract(PROJECT_ROOT / "data" / "contracts" / "crm.odcs.yaml")
    table = replace(found.tables[0], file_glob=f"contacts.{form}")
    return replace(found, server=replace(found.server, format=form), tables=(table,))


def _delivered(landing: Path, form: FileFormat, rows: int) -> Path:
    path = landing / "crm" / DAY.isoformat() / f"contacts.{form}"
    path.parent.mkdir(parents=True)
    duckdb.connect().execute(f"copy ({ROWS.replace('?', str(rows))}) to '{path}' ({FORMATS[form]})")
    return path


def _landing_round(contract: Contract, path: Path, landing: Path) -> list[tuple[str, float]]:
    table = contract.tables[0]

    def collect() -> None:
        with (
            TemporaryDirectory(prefix="kindred-encryption-") as folder,
            connect(Path(folder) / "kindred.duckdb") as con,
        ):
            load_day(con, contract, table, DAY, landing, "benchmark")

    def search() -> None:
        for _ in readable(path):
            pass

    work: dict[str, Callable[[], object]] = {
        "fingerprint": lambda: landed.content_hash(path),
        "collect into raw": collect,
        "take a row out (erasure)": lambda: written_beside(path, contract.server, {3}).unlink(),
        "read for the search": search,
    }
    return [(step, _taken(action)) for step, action in work.items()]


def _memory(megabytes: int) -> None:
    """Most memory that a process takes to encrypt one large file, and to have DuckDB count its rows."""
    with TemporaryDirectory(prefix="kindred-encryption-") as name:
        path = Path(name) / "large.csv"
        line = b"4711,Anna,Northcote,anna.northcote@mail.example,+442012345678,12 High Street,Town,AB1 1CD\n"
        block = line * ((1 << 20) // len(line))
        with path.open("wb") as file:
            for _ in range(megabytes):
                file.write(block)
        key = secrets.token_hex(32)
        for action in (_encrypt_large, _count_large):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(f"- {action.__doc__}: {pool.apply(action, (path, key)):,.0f} MiB at most")


def _encrypt_large(path: Path, key: str) -> float:
    """encrypting one file of that size"""
    landed.use_key(path.parent, lambda: key, encrypts=True)
    landed.encrypt_file(path)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _count_large(path: Path, key: str) -> float:
    """counting its rows, DuckDB limited to 512 MB"""
    landed.use_key(path.parent, lambda: key, encrypts=True)
    with duckdb.connect() as con, landed.given_to_duckdb(con, path) as name:
        con.execute("set memory_limit = '512MB'")
        con.execute("set enable_progress_bar = false")
        con.execute(
            f"select count(column0) from read_csv('{name}', header = false, all_varchar = true, parallel = false)"
        ).fetchall()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _table(seconds: dict[tuple[str, bool], list[float]]) -> None:
    print("| step | plain, s | encrypted, s | ratio |\n|---|---|---|---|")
    for step in dict.fromkeys(step for step, _ in seconds):
        plain, encrypted_ = (statistics.median(seconds[step, flag]) for flag in (False, True))
        print(f"| {step} | {plain:.2f} | {encrypted_:.2f} | {encrypted_ / plain:.2f} |")
    print()


def _round(path: Path, rows: int) -> list[tuple[str, float]]:
    def run(sql: str) -> None:
        with opened(path) as connection:
            connection.execute(sql.format(rows=rows)).fetchall()
            connection.execute("checkpoint")

    work: dict[str, Callable[[], None]] = {step: (lambda sql=sql: run(sql)) for step, sql in STEPS.items()}  # type: ignore[misc]
    work["rewrite (erasure)"] = lambda: rewrite(path)
    return [(step, _taken(action)) for step, action in work.items()]


def _taken(action: Callable[[], object]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


if __name__ == "__main__":
    main()
