"""The daily job on real input: historical_50k and the CDNOW log, in a data folder of their own, without the sample.

Belongs here: landing the two sets, running `kindred run`, and accounting for every row. Does not belong here: scoring
the linkage (see `benchmarks/accuracy.py`).

    .venv/bin/python benchmarks/real_input/run.py [--benchmarks ../shared/benchmarks/er] [--data FOLDER]
"""

import argparse
import csv
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent.parent
CONTRACTS = Path(__file__).resolve().parent / "contracts"
DAY = "2026-01-05"
PEOPLE_COLUMNS = "rec_id, full_name, first_name, surname, dob, birth_place, postcode_fake, gender, occupation"


def main() -> int:
    """Land, run, account. Exit code 0 when the run published and every row is accounted for."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--benchmarks", type=Path, default=ROOT.parent / "shared" / "benchmarks" / "er")
    arguments.add_argument("--data", type=Path, help="data folder; a temporary one by default")
    given = arguments.parse_args()
    people = given.benchmarks / "historical_50k" / "records.parquet"
    if not people.exists():
        print(f"skipped: {people} is not here; name the benchmark folder with --benchmarks")
        return 0
    with tempfile.TemporaryDirectory(prefix="kindred-real-") as scratch:
        data = (given.data or Path(scratch)).resolve()
        landed = {"historical.people": land_people(people, data), "cdnow.purchases": land_purchases(data)}
        started = time.perf_counter()
        environment = {**os.environ, "KINDRED_DATA": str(data), "KINDRED_CONTRACTS": str(CONTRACTS)}
        kindred = Path(sys.executable).parent / "kindred"
        code = subprocess.run([str(kindred), "run", "--all"], env=environment, check=False).returncode
        print(f"\nkindred run: exit code {code}, {time.perf_counter() - started:.1f} s")
        return code or account(data, landed)


def land_people(source: Path, data: Path) -> int:
    """Land historical_50k without its truth column. Returns the rows."""
    target = data / "landing" / "historical" / DAY / "people.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()
    con.execute(f"copy (select {PEOPLE_COLUMNS} from read_parquet('{source}')) to '{target}' (format parquet)")
    return int(con.execute(f"select count(*) from read_parquet('{target}')").fetchall()[0][0])


def land_purchases(data: Path) -> int:
    """Land the CDNOW log as CSV with its line numbers. Returns the rows."""
    package = importlib.util.find_spec("lifetimes")
    if package is None or package.origin is None:
        raise SystemExit("the package lifetimes, which carries the CDNOW log, is not installed: make setup")
    log = Path(package.origin).parent / "datasets" / "CDNOW_master.txt"
    target = data / "landing" / "cdnow" / DAY / "purchases.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with log.open() as lines, target.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["line_no", "customer_id", "purchased_on", "quantity", "amount"])
        rows = [[number, *line.split()] for number, line in enumerate(lines, 1) if number > 1 and line.strip()]
        writer.writerows(rows)
    return len(rows)


def account(data: Path, landed: dict[str, int]) -> int:
    """Print where every row went, and compare. Exit code 1 when one is missing."""
    con = duckdb.connect(str(data / "warehouse" / "kindred.duckdb"), read_only=True)

    def count(query: str) -> int:
        return int(con.execute(query).fetchall()[0][0])

    lines = {
        "historical.people": (
            count("select count(*) from integration.int_customer_records where source = 'historical'"),
            count("select count(*) from quarantine.historical__people"),
        ),
        "cdnow.purchases": (
            count("select count(*) from marts.fct_orders where source = 'cdnow'"),
            count("select count(*) from quarantine.cdnow__purchases"),
        ),
    }
    missing = 0
    print(f"\n{'source':<20}{'landed':>10}{'in the warehouse':>18}{'quarantined':>14}{'missing':>10}")
    for name, (stored, quarantined) in lines.items():
        lost = landed[name] - stored - quarantined
        missing += abs(lost)
        print(f"{name:<20}{landed[name]:>10,}{stored:>18,}{quarantined:>14,}{lost:>10,}")
    records = count("select count(*) from integration.int_customer_records")
    members = count("select count(*) from marts.customer_xref")
    published = duckdb.connect(str(data / "published" / "analytics.duckdb"), read_only=True)
    customers = published.execute("select count(*) from marts.dim_customer").fetchall()[0][0]
    revenue = count("select sum(amount) from marts.fct_orders")
    print(
        f"\n{records:,} records, {members:,} with a customer, {customers:,} customers published, {revenue:,} USD in orders"
    )
    return 1 if missing or records != members else 0


if __name__ == "__main__":
    sys.exit(main())
