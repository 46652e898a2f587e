"""What a run of linkage leaves for the next one, in tables beside the edges.

What belongs here: the names of those tables, whether they are whole and fit the code, the model
and the settings of today, and writing down that they do. What does not: what is computed with them.

The tables `linkage_*` hold one row per record (`record_id`); only `linkage_state`,
`linkage_block_sizes` and `linkage_cluster_state` hold counts of all records together. The row of
`linkage_state` is deleted before a full run writes anything and written last, and an increment
writes everything in one transaction: half a state is never taken for a whole one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.linkage.blocking import Budget, Histogram
from orchestration.linkage.hot import EMPTIED, IDENTICAL
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.sql import literal

if TYPE_CHECKING:
    import duckdb

_PACKAGE = Path(__file__).parent


@cache
def code_fingerprint() -> str:
    """A hash of everything besides model and records that edges and clusters depend on.

    The text of this package's modules and data files, and the versions of the engines. A constant
    to raise by hand would be forgotten; the price is one full run after each upgrade.
    """
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        if path.suffix in (".py", ".yaml", ".csv"):
            digest.update(str(path.relative_to(_PACKAGE)).encode() + b"\0" + path.read_bytes())
    for package in ("duckdb", "splink", "numpy"):
        digest.update(f"{package}={version(package)}".encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class StateTables:
    """The tables beside the edges, by their full names."""

    edges: str
    prefix: str

    @classmethod
    def beside(cls, edges: str, warehouse: str = "") -> StateTables:
        """Those that belong to a table of edges, `schema.table` or `table`, of a database."""
        schema, _, _ = edges.rpartition(".")
        start = f"{warehouse}." if warehouse else ""
        return cls(f"{start}{schema or 'main'}.{edges.rpartition('.')[2]}", f"{start}{schema or 'main'}.linkage_")

    @property
    def features(self) -> str:
        """`record_id`, `row_hash` and the features of every record, before hot values are emptied."""
        return f"{self.prefix}features"

    @property
    def scored(self) -> str:
        """`record_id`, `representative`, `content`, `content_too`, `emptied`, `component`."""
        return f"{self.prefix}scored"

    @property
    def affected(self) -> str:
        """`record_id`, `generation`: records whose component an update of the edges touched."""
        return f"{self.prefix}affected"

    @property
    def block_sizes(self) -> str:
        """`number`, `size`, `blocks`: how many blocks of each size a blocking key has."""
        return f"{self.prefix}block_sizes"

    @property
    def state(self) -> str:
        """One row: what the edges were made by."""
        return f"{self.prefix}state"

    @property
    def clustered(self) -> str:
        """`record_id`, `component`: what nothing outside of bears on the clusters of."""
        return f"{self.prefix}clustered"

    @property
    def judged(self) -> str:
        """`record_id_l`, `record_id_r`, `verdict`: the judgements that the clusters follow."""
        return f"{self.prefix}judged"

    @property
    def cluster_state(self) -> str:
        """One row: what the clusters were made by."""
        return f"{self.prefix}cluster_state"


@dataclass(frozen=True)
class State:
    """What the edges were made by. `signature` covers code, model, settings and columns.

    `generation` counts the updates of the edges since the last full run.
    """

    signature: str
    generation: int
    records: int
    edges: int
    every_pair: bool
    caps: tuple[int, ...]


def signature(model: LinkageModel, budget: Budget, floor: float, columns: Sequence[str]) -> str:
    """A hash of everything besides the records' values that edges depend on."""
    text = json.dumps([code_fingerprint(), model.version, asdict(budget), floor, sorted(columns)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def exists(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether a table is there."""
    import duckdb

    try:
        con.execute(f"describe {table}")
    except duckdb.CatalogException:
        return False
    return True


def read_state(con: duckdb.DuckDBPyConnection, tables: StateTables) -> tuple[State | None, str]:
    """The state of the edges, or None and the reason, in words, why there is none to build on."""
    if not exists(con, tables.state):
        return None, "there is no state of an earlier run"
    rows = con.execute(f"select signature, generation, records, edges, every_pair, caps from {tables.state}").fetchall()
    if not rows:
        return None, "the last full run did not end"
    marked, generation, records, edges, every_pair, caps = rows[0]
    state = State(str(marked), int(generation), int(records), int(edges), bool(every_pair), tuple(caps))
    for table, expected in ((tables.features, records), (tables.scored, records), (tables.edges, edges)):
        if not exists(con, table) or _count(con, table) != expected:
            return None, f"{table.replace(chr(34), '')} is not what the last run left"
    return state, ""


def forget_state(con: duckdb.DuckDBPyConnection, tables: StateTables) -> None:
    """Mark the tables as not whole, until `write_state`; clusters have nothing to build on, either."""
    for table in (tables.state, tables.cluster_state):
        con.execute(f"drop table if exists {table}")


def write_state(
    con: duckdb.DuckDBPyConnection, tables: StateTables, state: State, histogram: Histogram, *, within: bool = False
) -> None:
    """Write down what the tables now are; `within` a transaction that is open already, or in one of its own."""
    if not within:
        con.execute("begin")
    con.execute(f"create or replace table {tables.block_sizes} (number utinyint, size bigint, blocks bigint)")
    rows = [(number, size, blocks) for number, sizes in histogram.items() for size, blocks in sizes.items()]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        con.execute(f"insert into {tables.block_sizes} select unnest(?), unnest(?), unnest(?)", columns)
    caps = ", ".join(str(cap) for cap in state.caps)
    con.execute(
        f"""
        create or replace table {tables.state} as
        select
            {literal(state.signature)} as signature, {state.generation}::bigint as generation,
            {state.records}::bigint as records,
            {state.edges}::bigint as edges, {str(state.every_pair).lower()} as every_pair,
            [{caps}]::integer[] as caps
        """
    )
    if not within:
        con.execute("commit")


def read_histogram(con: duckdb.DuckDBPyConnection, tables: StateTables) -> dict[int, dict[int, int]]:
    """The sizes of blocks that the last run left."""
    histogram: dict[int, dict[int, int]] = {}
    for number, size, blocks in con.execute(f"select number, size, blocks from {tables.block_sizes}").fetchall():
        histogram.setdefault(int(number), {})[int(size)] = int(blocks)
    return histogram


def _count(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"select count(*) from {table}").fetchall()[0][0])


def scored_sql(components: str) -> str:
    """SQL: the rows of the state's table `scored` for the records that `components` (`rid`, `component`) lists."""
    return f"""
        with emptied as (select rid, bit_or(mask) as mask from {EMPTIED} group by all)
        select
            ids.record_id, representative_ids.record_id as representative,
            contents.content, contents.content_too, coalesce(emptied.mask, 0)::utinyint as emptied,
            component_ids.record_id as component
        from {components} as components
        inner join record_ids as ids using (rid)
        left join {IDENTICAL} as identical on ids.rid = identical.rid
        inner join contents on coalesce(identical.representative, ids.rid) = contents.rid
        inner join record_ids as representative_ids on contents.rid = representative_ids.rid
        inner join record_ids as component_ids on components.component = component_ids.rid
        left join emptied on ids.rid = emptied.rid
        """
