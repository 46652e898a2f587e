"""Collecting a day of 1,000,000 rows from CSV into `raw`, beside plain DuckDB reading the same file with the same types.

    .venv/bin/python benchmarks/collect_speed.py [--rows 1000000]

The gate's own time is measured by `gate_speed.py`. Budget: at most 3 times plain DuckDB; a day that is loaded already
costs no more than reading its bytes.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from orchestration.config import PROJECT_ROOT
from orchestration.sources.contract import load_contract
from orchestration.sources.load import load_day

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


def main() -> int:
    """Measure and print; exit code 1 when the budget is missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    rows = arguments.parse_args().rows
    contract = load_contract(PROJECT_ROOT / "data" / "contracts" / "crm.odcs.yaml")
    table = contract.tables[0]
    with tempfile.TemporaryDirectory(prefix="kindred-collect-") as folder:
        landing = Path(folder) / "landing"
        file = landing / "crm" / str(DAY) / "contacts.csv"
        file.parent.mkdir(parents=True)
        duckdb.connect().execute(f"copy ({ROWS.replace('?', str(rows))}) to '{file}' (header)")
        types = ", ".join(f"'{column.name}': '{column.type}'" for column in table.columns)
        with duckdb.connect(f"{folder}/bare.duckdb") as con:
            bare = timed(
                lambda: con.execute(
                    f"create table contacts as select * from read_csv('{file}', header = true, columns = {{{types}}})"
                )
            )
        with duckdb.connect(f"{folder}/kindred.duckdb") as con:
            ours = timed(lambda: load_day(con, contract, table, DAY, landing, "benchmark"))
            again = timed(lambda: load_day(con, contract, table, DAY, landing, "benchmark"))
            loaded = con.execute("select count(*) from raw.crm__contacts").fetchall()[0][0]
        size = file.stat().st_size / 1024**2
    assert loaded == rows, f"{rows - loaded} rows are missing"
    print(f"{rows:,} rows, {size:.0f} MB of CSV")
    print(f"plain DuckDB, typed       {bare:6.2f} s")
    print(f"Kindred, into raw         {ours:6.2f} s   ratio {ours / bare:.2f}, budget {BUDGET:g}")
    print(f"Kindred, unchanged again  {again:6.2f} s")
    print(f"peak memory               {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:6.0f} MB")
    return 0 if ours <= BUDGET * bare else 1


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    raise SystemExit(main())
