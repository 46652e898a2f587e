"""How long a raw gate takes beside plain DuckDB: `python benchmarks/gate_speed.py [rows]`, by default 1,000,000.

A contract with 17 expectations of all kinds is gated over a table with known failures; then the same predicates are
counted by one plain DuckDB statement on the same file. Printed are seconds, their ratio, and the process's peak memory.
Budget: under 5 seconds and 4 GB for a million rows, Great Expectations' import apart.
"""

import resource
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb

from expectations.suites import GatedTable
from orchestration.quality import RunContext
from orchestration.quality.gate import run_gate
from orchestration.sources.contract import Column, Table

DAY = date(2026, 1, 5)
BUDGET_SECONDS, BUDGET_GIGABYTES = 5.0, 4.0


def _column(name: str, kind: str = "varchar", required: bool = False, key: bool = False, **options: object) -> Column:
    valid = options.pop("valid_values", ())
    return Column(
        name=name,
        physical_name=name,
        type=kind,
        date_format=None,
        description="",
        semantic=None,
        classification="personal",
        required=required or key,
        primary_key=key,
        options=options,
        valid_values=tuple(valid),  # type: ignore[arg-type]
    )


# With the row count, the unique key and the future check: 17 expectations.
TABLE = Table(
    source="bench",
    name="people",
    file_glob="people*.csv",
    description="",
    feeds=(),
    version_column="updated_at",
    columns=(
        _column("person_id", key=True, pattern="^p[0-9]+$"),
        _column("email", required=True, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", maxLength=254),
        _column("phone", pattern=r"^\+[1-9][0-9]{4,14}$"),
        _column("name", minLength=1, maxLength=100),
        _column("country", required=True, pattern="^[A-Z]{2}$"),
        _column("tier", valid_values=("gold", "silver", "bronze")),
        _column("amount", "double", required=True, minimum=0, maximum=100_000),
        _column("items", "bigint", required=True, minimum=1, maximum=100),
        _column("updated_at", "timestamp"),
    ),
)
GATE = GatedTable(
    stage="collection",
    schema="raw",
    table=TABLE.raw_name,
    key=("person_id",),
    module="expectations.suites.raw",
    scope="load_date",
    expects_rows=True,
)

_DATA = f"""
    create table raw.{TABLE.raw_name} as
    select
        'p' || (case when i % 100003 = 7 then i - 1 else i end) as person_id,
        case when i % 1000 = 1 then 'not an address' else 'user' || i || '@example.com' end as email,
        '+4420' || (10000000 + i % 90000000) as phone,
        'Person ' || i as name,
        case when i % 2000 = 3 then 'uk' else ['GB', 'DE', 'FR', 'US'][1 + i % 4] end as country,
        ['gold', 'silver', 'bronze'][1 + i % 3] as tier,
        case when i % 5000 = 9 then -1.0 else i % 1000 end as amount,
        1 + i % 9 as items,
        timestamp '2026-01-01' + to_seconds(i % 300000) as updated_at,
        date '2026-01-05' as _load_date,
        'bench/2026-01-05/people.csv' as _file,
        i + 2 as _row
    from range($rows) as t(i)
"""

_PLAIN = f"""
    select
        count(*) filter (where person_id is null),
        count(*) filter (where not regexp_matches(person_id, '^p[0-9]+$')),
        count(*) filter (where email is null),
        count(*) filter (where not regexp_matches(email, '^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$')),
        count(*) filter (where length(email) > 254),
        count(*) filter (where not regexp_matches(phone, '^\\+[1-9][0-9]{{4,14}}$')),
        count(*) filter (where length(name) not between 1 and 100),
        count(*) filter (where country is null),
        count(*) filter (where not regexp_matches(country, '^[A-Z]{{2}}$')),
        count(*) filter (where tier not in ('gold', 'silver', 'bronze')),
        count(*) filter (where amount is null),
        count(*) filter (where amount not between 0 and 100000),
        count(*) filter (where items is null),
        count(*) filter (where items not between 1 and 100),
        count(*) filter (where updated_at >= timestamp '2026-01-07'),
        (
            select coalesce(sum(n - 1), 0)
            from (
                select count(*) as n from raw.{TABLE.raw_name}
                where _load_date = date '2026-01-05'
                group by person_id, updated_at having count(*) > 1
            )
        )
    from raw.{TABLE.raw_name}
    where _load_date = date '2026-01-05'
"""


def main(rows: int) -> int:
    """Measure and print; 1 when over the budget of a million rows."""
    started = time.perf_counter()
    import expectations.checks  # noqa: F401

    print(f"importing Great Expectations: {time.perf_counter() - started:.1f} s")
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "bench.duckdb"
        with duckdb.connect(str(warehouse)) as con:
            con.execute("create schema raw")
            con.execute(_DATA, {"rows": rows})
        plain = _plain_seconds(warehouse)
        started = time.perf_counter()
        result = run_gate(warehouse, GATE, RunContext("bench", DAY), TABLE)
        gate = time.perf_counter() - started
        started = time.perf_counter()
        run_gate(warehouse, GATE, RunContext("bench-again", DAY), TABLE)
        again = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    expectations_count = len(result.checks) - 1
    print(f"{rows:,} rows, {expectations_count} expectations, {result.quarantined:,} rows quarantined")
    print(f"plain DuckDB: {plain:.2f} s; gate: {gate:.2f} s, {gate / plain:.1f} times; second run: {again:.2f} s")
    print(f"peak memory: {memory:.2f} GB")
    return int(rows == 1_000_000 and (gate > BUDGET_SECONDS or memory > BUDGET_GIGABYTES))


def _plain_seconds(warehouse: Path) -> float:
    started = time.perf_counter()
    with duckdb.connect(str(warehouse)) as con:
        con.execute(_PLAIN).fetchall()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
