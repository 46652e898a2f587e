"""Blocking: which pairs of records are compared, counted before they are made.

What belongs here: reading `data/blocking.yaml`, hot values, counting, tightening and making
candidate pairs. What does not: comparing them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


# A block this large proposes no more pairs per record than one key may, whatever the table.
_NEVER_TOO_LARGE = 25


@dataclass(frozen=True)
class Budget:
    """How many candidate pairs may be made: per record over all keys, and by one key.

    A pair that several keys propose counts once for each of them, so the pairs compared are
    about half of that. Large tables get less for each record: their time is what counts.
    `growth` is how many times the budget the pinned block caps of a model may come to propose,
    while a table grows, before they are tightened. Tables of up to `every_pair_up_to` pairs are
    compared whole: no key can miss anything then.
    """

    pairs_per_record: float = 120.0
    pairs_per_record_and_key: float = 12.0
    pairs_at_least: int = 500_000
    large_table: int = 100_000
    pairs_per_record_when_large: float = 50.0
    growth: float = 1.5
    every_pair_up_to: int = ALL_PAIRS_LIMIT

    def total(self, records: int) -> int:
        """Pairs allowed over all keys."""
        small = min(records, self.large_table)
        beyond = records - small
        pairs = self.pairs_per_record * small + self.pairs_per_record_when_large * beyond
        return max(self.pairs_at_least, int(pairs))

    def per_key(self, records: int) -> int:
        """Pairs allowed for one key."""
        return max(self.pairs_at_least // 10, int(self.pairs_per_record_and_key * records))

    def compares_every_pair(self, records: int) -> bool:
        """Whether a table of this many (different) records is compared whole."""
        return records * (records - 1) // 2 <= self.every_pair_up_to


@dataclass(frozen=True)
class KeyReport:
    """What one blocking key proposes: before and after tightening, and its largest block."""

    key: tuple[str, ...]
    pairs_counted: int
    pairs_kept: int
    largest_block_kept: int


# How many blocks of each size a key has, by the key's number.
Histogram = Mapping[int, Mapping[int, int]]


@dataclass(frozen=True)
class Proposal:
    """How candidate pairs were made: whole, or by keys with caps, and the blocks there are."""

    every_pair: bool
    pairs: int
    caps: tuple[int, ...]
    histogram: Histogram
    reports: Sequence[KeyReport]


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


def pin_caps(
    con: duckdb.DuckDBPyConnection, keys: Sequence[tuple[str, ...]], budget: Budget
) -> tuple[tuple[int, ...], Histogram]:
    """The largest block of each key that fits the budget, to be pinned with a model; and the blocks.

    The blocks of a key are taken from the smallest up while they fit its share of the budget and
    what the keys before it left. A key whose blocks all fit is capped only where a larger block
    would be too much for any table. Caps are sizes, not shares: a table that grows does not
    move them, so that yesterday's pairs stay pairs; `live_caps` bounds what that may come to.

    Raises CandidateBudgetError when not one key fits.
    """
    records = scalar_int(con, f"select count(*) from {FEATURES}")
    write_keys(con, dict(enumerate(keys)))
    histogram = count_blocks(con)
    caps, _ = _fit(keys, histogram, [None] * len(keys), budget, records, 1.0)
    return caps, histogram


def live_caps(
    keys: Sequence[tuple[str, ...]], pinned: Sequence[int], histogram: Histogram, budget: Budget, records: int
) -> tuple[tuple[int, ...], list[KeyReport]]:
    """The caps in force for these records: the pinned ones, tightened when the table outgrew them.

    A function of the records there are, never of the order in which they came. Raises
    CandidateBudgetError when not one key fits.
    """
    return _fit(keys, histogram, list(pinned), budget, records, budget.growth)


def make_pairs(
    con: duckdb.DuckDBPyConnection,
    keys: Sequence[tuple[str, ...]],
    pinned: Sequence[int],
    budget: Budget,
    *,
    counted: Histogram | None = None,
) -> Proposal:
    """Create the table `candidate_pairs` (`l`, `r`, with l < r; each pair once).

    Counts before it makes, unless `pin_caps` just `counted` the same records. Raises
    CandidateBudgetError when even the smallest blocks exceed the budget.
    """
    records = scalar_int(con, f"select count(*) from {FEATURES}")
    if budget.compares_every_pair(records):
        con.execute(
            f"""
            create or replace table {PAIRS} as
            select l.rid as l, r.rid as r
            from {FEATURES} as l inner join {FEATURES} as r on l.rid < r.rid
            """
        )
        everything = records * (records - 1) // 2
        return Proposal(
            True, everything, tuple(pinned), {}, [KeyReport(("every pair",), everything, everything, records)]
        )
    if counted is None:
        write_keys(con, live_keys(keys, pinned))
    histogram = count_blocks(con) if counted is None else counted
    caps, reports = live_caps(keys, pinned, histogram, budget, records)
    keep_live_blocks(con, caps)
    con.execute(
        f"""
        create or replace table {PAIRS} as
        select distinct l.rid as l, r.rid as r
        from {KEYS} as l
        inner join {KEYS} as r on l.key = r.key and l.rid < r.rid
        """
    )
    con.execute(f"drop table {KEYS}")
    pairs = scalar_int(con, f"select count(*) from {PAIRS}")
    return Proposal(False, pairs, caps, histogram, reports)


def live_keys(keys: Sequence[tuple[str, ...]], caps: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The keys by their numbers, without those whose pinned cap lets no pair through, whatever the table."""
    return {number: key for number, key in enumerate(keys) if caps[number] > 1}


def keep_live_blocks(con: duckdb.DuckDBPyConnection, caps: Sequence[int]) -> None:
    """Leave of the table `blocking_keys` only blocks that propose pairs: of two records up to their key's cap."""
    write_caps(con, caps)
    con.execute(
        f"""
        create or replace table {KEYS} as
        with sized as (select number, key, count(*) as size from {KEYS} group by all having count(*) > 1),
        live as (
            select sized.key from sized inner join block_caps as caps
                on sized.number = caps.number and sized.size <= caps.cap
        )
        select number, key, rid from {KEYS} semi join live using (key)
        """
    )
    con.execute("drop table block_caps")


def write_caps(con: duckdb.DuckDBPyConnection, caps: Sequence[int]) -> None:
    """Create the table `block_caps` (`number`, `cap`)."""
    con.execute("create or replace table block_caps (number utinyint, cap integer)")
    if caps:
        con.executemany("insert into block_caps values (?, ?)", list(enumerate(caps)))


def key_sql(number: int, key: Sequence[str], alias: str = "") -> tuple[str, str]:
    """SQL over features: a record's value of a key (the key's number is hashed into it), and whether it has one."""
    columns = [(f"{alias}." if alias else "") + quoted(column) for column in key]
    return f"hash({number}, {', '.join(columns)})", " and ".join(f"{column} is not null" for column in columns)


def write_keys(
    con: duckdb.DuckDBPyConnection, keys: Mapping[int, Sequence[str]], *, of: str = FEATURES, into: str = KEYS
) -> None:
    """Create a table (`number`, `key`, `rid`) with one row per record and key, by its number, that it fills."""
    con.execute(f"create or replace table {into} (number utinyint, key ubigint, rid integer)")
    for number, key in keys.items():
        value, filled = key_sql(number, key)
        con.execute(f"insert into {into} select {number}, {value}, rid from {of} where {filled}")


def count_blocks(con: duckdb.DuckDBPyConnection, table: str = KEYS) -> dict[int, dict[int, int]]:
    """How many blocks of each size above one every key has."""
    rows = con.execute(
        f"""
        with blocks as (select number, key, count(*) as size from {table} group by all having count(*) > 1)
        select number, size, count(*) as blocks from blocks group by all order by all
        """
    ).fetchall()
    histogram: dict[int, dict[int, int]] = {}
    for number, size, blocks in rows:
        histogram.setdefault(int(number), {})[int(size)] = int(blocks)
    return histogram


def _fit(
    keys: Sequence[tuple[str, ...]],
    histogram: Histogram,
    bounds: Sequence[int | None],
    budget: Budget,
    records: int,
    growth: float,
) -> tuple[tuple[int, ...], list[KeyReport]]:
    """The caps under which the blocks fit `growth` times the budget; `bounds` are caps already set."""
    reports = []
    caps = []
    remaining = int(growth * budget.total(records))
    for number, (key, bound) in enumerate(zip(keys, bounds, strict=True)):
        allowed = min(int(growth * budget.per_key(records)), remaining)
        counted = kept = cap = 0
        fits = True
        for size, blocks in sorted(histogram.get(number, {}).items()):
            pairs = blocks * (size * (size - 1) // 2)
            counted += pairs
            if bound is not None and size > bound:
                continue
            fits = fits and kept + pairs <= allowed
            if fits:
                kept, cap = kept + pairs, size
        if fits:
            cap = bound if bound is not None else max(cap, _NEVER_TOO_LARGE)
        elif bound is not None:
            cap = _rung(cap)
            kept = sum(n * (s * (s - 1) // 2) for s, n in histogram[number].items() if s <= cap)
        remaining -= kept
        caps.append(cap)
        reports.append(KeyReport(tuple(key), counted, kept, cap))
    if sum(report.pairs_counted for report in reports) and not any(r.pairs_kept for r in reports):
        raise CandidateBudgetError(
            f"no blocking key fits the budget of {int(growth * budget.total(records)):,} candidate pairs for "
            f"{records:,} records; the smallest key proposes "
            f"{min(r.pairs_counted for r in reports if r.pairs_counted):,}. Give records more "
            "telling columns, remove repeated rows, or raise the budget"
        )
    return tuple(caps), reports


def _rung(cap: int) -> int:
    """A tightened cap, down to one of few sizes, so that it seldom changes from day to day."""
    rung = 1
    while int(rung * 1.5) + 1 <= cap:
        rung = int(rung * 1.5) + 1
    return rung if cap > 1 else 0
