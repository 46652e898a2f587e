"""Blocking: which pairs of records are compared, counted before they are made.

What belongs here: reading `data/blocking.yaml`, hot values, counting, tightening and making
candidate pairs. What does not: comparing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestration.linkage.comparisons import informative_columns
from orchestration.linkage.errors import CandidateBudgetError
from orchestration.linkage.features import FEATURES
from orchestration.linkage.forms import DATA
from orchestration.linkage.sql import columns_of, quoted, scalar_int

if TYPE_CHECKING:
    import duckdb

RULES_FILE = DATA / "blocking.yaml"
PAIRS = "candidate_pairs"
KEYS = "blocking_keys"

# Tables of up to this many pairs are compared whole: no key can miss anything then.
ALL_PAIRS_LIMIT = 500_000


@dataclass(frozen=True)
class Budget:
    """How many candidate pairs may be made: per record over all keys, and by one key.

    A pair that several keys propose counts once for each of them, so the pairs compared are
    about half of that. Large tables get less for each record: their time is what counts.
    """

    pairs_per_record: float = 120.0
    pairs_per_record_and_key: float = 12.0
    pairs_at_least: int = 500_000
    large_table: int = 100_000
    pairs_per_record_when_large: float = 50.0

    def total(self, records: int) -> int:
        """Pairs allowed over all keys."""
        small = min(records, self.large_table)
        beyond = records - small
        pairs = self.pairs_per_record * small + self.pairs_per_record_when_large * beyond
        return max(self.pairs_at_least, int(pairs))

    def per_key(self, records: int) -> int:
        """Pairs allowed for one key."""
        return max(self.pairs_at_least // 10, int(self.pairs_per_record_and_key * records))


@dataclass(frozen=True)
class KeyReport:
    """What one blocking key proposes: before and after tightening, and its largest block."""

    key: tuple[str, ...]
    pairs_counted: int
    pairs_kept: int
    largest_block_kept: int


@cache
def _document() -> dict[str, Any]:
    import yaml

    document: dict[str, Any] = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
    return document


def choose_keys(con: duckdb.DuckDBPyConnection, extras: Sequence[str]) -> list[tuple[str, ...]]:
    """The keys whose features the table fills."""
    keys = [tuple(key) for key in _document()["keys"]]
    keys += [(name, extra) for extra in extras for name in ("birth", "family", "given")]
    columns = sorted({column for key in keys for column in key} & set(columns_of(con, FEATURES)))
    informative = informative_columns(con, columns)
    return [key for key in keys if set(key) <= informative]


def make_pairs(con: duckdb.DuckDBPyConnection, keys: Sequence[tuple[str, ...]], budget: Budget) -> list[KeyReport]:
    """Create the table `candidate_pairs` (`l`, `r`, with l < r; each pair once).

    Raises CandidateBudgetError when even the smallest blocks exceed the budget.
    """
    records = scalar_int(con, f"select count(*) from {FEATURES}")
    everything = records * (records - 1) // 2
    if everything <= ALL_PAIRS_LIMIT:
        con.execute(
            f"""
            create or replace table {PAIRS} as
            select l.rid as l, r.rid as r
            from {FEATURES} as l inner join {FEATURES} as r on l.rid < r.rid
            """
        )
        return [KeyReport(("every pair",), everything, everything, records)]
    _write_keys(con, keys)
    reports = _tighten(con, keys, budget, records)
    con.execute(
        f"""
        create or replace table {PAIRS} as
        select distinct l.rid as l, r.rid as r
        from {KEYS} as l
        inner join {KEYS} as r on l.key = r.key and l.rid < r.rid
        """
    )
    con.execute(f"drop table {KEYS}")
    return reports


def _write_keys(con: duckdb.DuckDBPyConnection, keys: Sequence[tuple[str, ...]]) -> None:
    """One row per record and key that it fills; the key's number is hashed into its value."""
    con.execute(f"create or replace table {KEYS} (number utinyint, key ubigint, rid integer)")
    for number, key in enumerate(keys):
        filled = " and ".join(f"{quoted(column)} is not null" for column in key)
        hashed = ", ".join(quoted(column) for column in key)
        con.execute(
            f"""
            insert into {KEYS}
            select {number}, hash({number}, {hashed}), rid from {FEATURES} where {filled}
            """
        )


def _tighten(
    con: duckdb.DuckDBPyConnection,
    keys: Sequence[tuple[str, ...]],
    budget: Budget,
    records: int,
) -> list[KeyReport]:
    """Drop the blocks that are too large for a key's share, then report."""
    con.execute(
        f"""
        create or replace table block_sizes as
        with blocks as (select number, key, count(*) as size from {KEYS} group by all)
        select number, size, count(*) * (size * (size - 1) // 2) as pairs
        from blocks where size > 1 group by number, size
        """
    )
    sizes = con.execute("select number, size, pairs from block_sizes order by 1, 2").fetchall()
    con.execute("drop table block_sizes")
    reports = []
    caps = []
    remaining = budget.total(records)
    for number, key in enumerate(keys):
        allowed = min(budget.per_key(records), remaining)
        counted = kept = cap = 0
        for of_key, size, pairs in sizes:
            if of_key != number:
                continue
            counted += int(pairs)
            if counted <= allowed:
                kept, cap = counted, int(size)
        remaining -= kept
        caps.append((number, cap))
        reports.append(KeyReport(tuple(key), counted, kept, cap))
    if sum(report.pairs_counted for report in reports) and not any(r.pairs_kept for r in reports):
        raise CandidateBudgetError(
            f"no blocking key fits the budget of {budget.total(records):,} candidate pairs for "
            f"{records:,} records; the smallest key proposes "
            f"{min(r.pairs_counted for r in reports if r.pairs_counted):,}. Give records more "
            "telling columns, remove repeated rows, or raise the budget"
        )
    con.executemany(
        f"delete from {KEYS} where number = ? and key in ("
        f"select key from {KEYS} where number = ? group by key having count(*) > ?)",
        [(number, number, cap) for number, cap in caps],
    )
    return reports
