"""Collecting a day of 1,000,000 rows from CSV into `raw`, beside plain DuckDB reading the same file with the same types.

    .venv/bin/python benchmarks/collect_speed.py [--rows 1000000] [--rounds 3]

Both are done in turns, each time into a new file, and the medians are compared: of one round alone, caches and other
programs decide. Processor time is shown beside the clock, for a machine that is busy. The gate's own time is measured by
`gate_speed.py`. Budget: at most 3 times plain DuckDB; a day that is loaded already costs no more than reading its bytes.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

import duckdb

from orchestration.config import PROJECT_ROOT
from orchestration.sources.contract import Contract, load_contract
from orchestration.sources.load import load_day
from orchestration.warehouse import connect

DAY = date(2026, 1, 5)
BUDGET = 3.0
ROWS = """
    select
        'C' || i as contact_id, 'Given' || i % 5000 as first_name, null as middle_name, 'Family' || i % 20000 as last_name,
        date '1940-01-01' + (i % 25000)::int as birth_date, ['male', 'female', ''][1 + i % 3] as gender,
        'person' || i || '@mail.example' as email, '+4420' || (10000000 + i) as phone, i % 300 || ' High Street' as street,
        null as unit, 'Town' || i % 900 as city, 'County' || i % 50 as state, 'AB' || i % 90 || ' 1CD' as postal_code,
        'GB' as country, null as national_id, null as loyalty_no,
        strftime(timestamp '2024-01-01' + interval (i) second, '%Y-%m-%dT%H:%M:%SZ') as created_at,
        strftime(timestamp '2025-01-01' + interval (i) second, '%Y-%m-%dT%H:%M:%SZ') as updated_at
    from range(?) as numbers (i)
"""


@dataclass(frozen=True)
class Cost:
    """What a piece of work took."""

    seconds: float
    processor_seconds: float


@dataclass(frozen=True)
class Round:
    """One turn of each."""

    bare: Cost
    ours: Cost
    again: Cost


def main() -> int:
    """Measure and print; exit code 1 when the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    contract = load_contract(PROJECT_ROOT / "data" / "contracts" / "crm.odcs.yaml")
    with tempfile.TemporaryDirectory(prefix="kindred-collect-") as folder:
        landing = Path(folder) / "landing"
        file = landing / "crm" / str(DAY) / "contacts.csv"
        file.parent.mkdir(parents=True)
        duckdb.connect().execute(f"copy ({ROWS.replace('?', str(arguments.rows))}) to '{file}' (header)")
        size = file.stat().st_size / 1024**2
        rounds = [one_round(contract, landing, file, arguments.rows) for _ in range(arguments.rounds)]
    print(f"{arguments.rows:,} rows, {size:.0f} MB of CSV; medians of {arguments.rounds} rounds")
    bare, ours, again = ([getattr(turn, name) for turn in rounds] for name in ("bare", "ours", "again"))
    show("plain DuckDB, typed", bare)
    show("Kindred, into raw", ours)
    show("Kindred, unchanged again", again)
    ratio = median(cost.seconds for cost in ours) / median(cost.seconds for cost in bare)
    by_processor = median(c.processor_seconds for c in ours) / median(c.processor_seconds for c in bare)
    print(
        f"ratio                     {ratio:6.2f} by the clock, {by_processor:.2f} by processor time; budget {BUDGET:g}"
    )
    print(f"peak memory               {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:6.0f} MB")
    return 0 if ratio <= BUDGET else 1


def one_round(contract: Contract, landing: Path, file: Path, rows: int) -> Round:
    """Read the file by plain DuckDB, by Kindred, and by Kindred once more."""
    table = contract.tables[0]
    types = ", ".join(f"'{column.name}': '{column.type}'" for column in table.columns)
    read = f"create table contacts as select * from read_csv('{file}', header = true, columns = {{{types}}})"
    with tempfile.TemporaryDirectory(prefix="kindred-collect-") as folder:
        with connect(Path(folder) / "bare.duckdb") as con:
            bare = timed(lambda: con.execute(read))
        with connect(Path(folder) / "kindred.duckdb") as con:
            ours = timed(lambda: load_day(con, contract, table, DAY, landing, "benchmark"))
            again = timed(lambda: load_day(con, contract, table, DAY, landing, "benchmark"))
            loaded = con.execute("select count(*) from raw.crm__contacts").fetchall()[0][0]
    assert loaded == rows, f"{rows - loaded} rows are missing"
    return Round(bare, ours, again)


def show(what: str, costs: list[Cost]) -> None:
    """One line of medians."""
    seconds, processor = median(c.seconds for c in costs), median(c.processor_seconds for c in costs)
    print(f"{what:<25} {seconds:6.2f} s   {processor:6.2f} s of processor")


def timed(work: Callable[[], object]) -> Cost:
    """What a piece of work takes."""
    started, processor = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - started, time.process_time() - processor)


if __name__ == "__main__":
    raise SystemExit(main())
