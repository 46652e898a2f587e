"""What encrypting the working file costs: the same bulk SQL on a plain and an encrypted file, and rewriting both.

Belongs here: the measurement, by hand or from `make bench`. Does not belong here: a promise of seconds; the ratio is what
carries over to another machine.

Usage: python benchmarks/encryption_cost.py [--rows 2000000] [--rounds 3]
"""

import argparse
import secrets
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestration.duckdb_files import opened, rewrite, use_key

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
    """Print a Markdown table: median seconds of each step, plain and encrypted, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    seconds: dict[tuple[str, bool], list[float]] = {}
    with TemporaryDirectory(prefix="kindred-encryption-") as folder:
        files = {encrypted: Path(folder) / str(encrypted) / "kindred.duckdb" for encrypted in (False, True)}
        key = secrets.token_hex(32)
        for encrypted, path in files.items():
            path.parent.mkdir()
            if encrypted:
                use_key(path, lambda: key)
        for _ in range(arguments.rounds):
            # In turns, so that what else the machine does falls on both alike.
            for encrypted, path in files.items():
                for step, taken in _round(path, arguments.rows):
                    seconds.setdefault((step, encrypted), []).append(taken)
        sizes = {encrypted: path.stat().st_size / 1024**2 for encrypted, path in files.items()}
    print(
        f"{arguments.rows:,} rows, median of {arguments.rounds} rounds, processor time; files of {sizes[False]:.0f} and {sizes[True]:.0f} MiB\n"
    )
    print("| step | plain, s | encrypted, s | ratio |\n|---|---|---|---|")
    for step in dict.fromkeys(step for step, _ in seconds):
        plain, encrypted_ = (statistics.median(seconds[step, flag]) for flag in (False, True))
        print(f"| {step} | {plain:.2f} | {encrypted_:.2f} | {encrypted_ / plain:.2f} |")


def _round(path: Path, rows: int) -> list[tuple[str, float]]:
    def run(sql: str) -> None:
        with opened(path) as connection:
            connection.execute(sql.format(rows=rows)).fetchall()
            connection.execute("checkpoint")

    work: dict[str, Callable[[], None]] = {step: (lambda sql=sql: run(sql)) for step, sql in STEPS.items()}  # type: ignore[misc]
    work["rewrite (erasure)"] = lambda: rewrite(path)
    return [(step, _taken(action)) for step, action in work.items()]


def _taken(action: Callable[[], None]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


if __name__ == "__main__":
    main()
