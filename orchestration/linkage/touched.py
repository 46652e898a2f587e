"""The blocks that changed records touch, and the pairs that no block proposes any more.

What belongs here: counting, of all blocks, only those that dirty and stale records hold, and
what it means for pairs that one of them passed its cap. What does not: the other steps of an
increment (increment.py), and how a full run makes pairs (blocking.py).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orchestration.linkage.blocking import Budget, Histogram, key_sql, live_caps, write_caps, write_keys
from orchestration.linkage.features import FEATURES
from orchestration.linkage.hot import EMPTIED_TOGETHER
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.sql import columns_of, quoted, scalar_int
from orchestration.linkage.state import State, StateTables, read_histogram
from orchestration.linkage.workspace import Workspace

if TYPE_CHECKING:
    import duckdb


class NeedsFullRun(Exception):  # noqa: N818
    """The state does not suffice for an increment; the message says why. Never leaves this package."""


class TouchedBlocks:
    """The part of an increment that is about blocks; works on the tables `dirty` and `stale`."""

    def __init__(
        self,
        source: duckdb.DuckDBPyConnection,
        work: Workspace,
        model: LinkageModel,
        records: str,
        tables: StateTables,
        state: State,
        budget: Budget,
        floor: float,
    ) -> None:
        self.source, self.work, self.con = source, work, work.con
        self.model, self.records, self.tables = model, records, tables
        self.state, self.budget, self.floor = state, budget, floor
        self.keys = model.keys if model.comparisons else ()
        self.scored = self.compared = 0
        self.edges = state.edges
        self.histogram: Histogram = {}
        self.records_now = 0

    def touch_blocks(self, standing: int) -> None:
        """`touched_blocks` (with their sizes today and yesterday) and `touched_members`."""
        con = self.con
        con.execute(f"create table dirty_features as select * from {FEATURES} semi join dirty using (rid)")
        self._stale_features()
        write_keys(con, self.keys, of="dirty_features", into="dirty_keys")
        write_keys(con, self.keys, of="stale_features", into="stale_keys")
        con.execute(
            "create table touched as select number, key from dirty_keys union select number, key from stale_keys"
        )
        con.execute("create table touched_members (number utinyint, key ubigint, rid integer)")
        for number, key in enumerate(self.keys):
            value, filled = key_sql(number, key)
            con.execute(
                f"""
                insert into touched_members
                with keyed as (select {value} as key, rid from {FEATURES} where {filled})
                select {number}, keyed.key, keyed.rid from keyed
                semi join (select key from touched where number = {number}) as touched using (key)
                """
            )
        con.execute(
            """
            create table sized as
            with
                now as (select number, key, count(*) as n from touched_members group by all),
                came as (select number, key, count(*) as n from dirty_keys group by all),
                went as (select number, key, count(*) as n from stale_keys group by all)
            select
                number, key, coalesce(now.n, 0) as size,
                coalesce(now.n, 0) - coalesce(came.n, 0) + coalesce(went.n, 0) as size_before
            from touched
            left join now using (number, key)
            left join came using (number, key)
            left join went using (number, key)
            """
        )
        self.histogram = self._new_histogram()
        caps, _ = live_caps(self.keys, self.model.caps, self.histogram, self.budget, standing)
        if caps != self.state.caps:
            raise NeedsFullRun("the table outgrew the caps of its blocks, or fits them again")
        write_caps(con, caps)
        con.execute(
            """
            create table touched_blocks as
            select
                sized.*, size between 2 and caps.cap as live, size_before between 2 and caps.cap as lived
            from sized inner join block_caps as caps using (number)
            """
        )

    def _stale_features(self) -> None:
        """`stale_features`: what the stale records said yesterday, the values that were hot then emptied."""
        con = self.con
        con.execute(
            f"""
            create table stale_features as
            select (row_number() over ())::integer as rid, f.* exclude (record_id, row_hash), scored.emptied
            from {self.tables.features} as f
            semi join stale using (record_id)
            inner join {self.tables.scored} as scored using (record_id)
            """
        )
        for missing in sorted(set(self.model.extras) - set(columns_of(con, "stale_features"))):
            con.execute(f"alter table stale_features add column {quoted(missing)} varchar")
        for bit, columns in enumerate(EMPTIED_TOGETHER.values()):
            emptied = ", ".join(f"{column} = null" for column in columns)
            con.execute(f"update stale_features set {emptied} where emptied & {1 << bit} != 0")

    def _new_histogram(self) -> dict[int, dict[int, int]]:
        counts = {number: Counter(sizes) for number, sizes in read_histogram(self.con, self.tables).items()}
        rows = self.con.execute("select number, size, size_before, count(*) from sized group by all").fetchall()
        for number, size, before, blocks in rows:
            key = counts.setdefault(int(number), Counter())
            key[int(size)] += int(blocks)
            key[int(before)] -= int(blocks)
        if any(blocks < 0 for key in counts.values() for size, blocks in key.items() if size > 1):
            raise NeedsFullRun("the sizes of blocks are not what the last run left")
        return {
            number: {size: blocks for size, blocks in key.items() if size > 1 and blocks}
            for number, key in counts.items()
        }

    def find_lost(self) -> None:
        """`lost`: found edges between unchanged records that no block proposes any more."""
        con = self.con
        con.execute(
            """
            create table departed as
            select number, key, rid from touched_members
            inner join touched_blocks as blocks using (number, key)
            where blocks.lived and not blocks.live and rid not in (select rid from dirty)
            """
        )
        if not scalar_int(con, "select count(*) from departed"):
            return
        con.execute("create table departed_ids as select * from record_ids semi join departed using (rid)")
        con.execute(
            f"""
            create table suspects as
            with pairs as (
                select l.rid as l, r.rid as r, edges.record_id_l, edges.record_id_r
                from {self.tables.edges} as edges
                inner join departed_ids as l on edges.record_id_l = l.record_id
                inner join departed_ids as r on edges.record_id_r = r.record_id
                where not edges.closing and not edges.identical
            )
            select distinct pairs.* from pairs
            inner join departed as l_keys on pairs.l = l_keys.rid
            inner join departed as r_keys
                on pairs.r = r_keys.rid and l_keys.number = r_keys.number and l_keys.key = r_keys.key
            """
        )
        con.execute(
            f"""
            create table suspect_features as
            select * from {FEATURES} where rid in (select l from suspects union select r from suspects)
            """
        )
        write_keys(con, self.keys, of="suspect_features", into="suspect_keys")
        con.execute(
            """
            create table shared as
            select l_keys.number, l_keys.key, suspects.l, suspects.r
            from suspects
            inner join suspect_keys as l_keys on suspects.l = l_keys.rid
            inner join suspect_keys as r_keys
                on suspects.r = r_keys.rid and l_keys.number = r_keys.number and l_keys.key = r_keys.key
            """
        )
        self._drop_proposed("select number, key from touched_blocks where live")
        con.execute("delete from shared where (number, key) in (select (number, key) from touched_blocks)")
        # Nearly all suspects share a telling key as well: the first few keys settle them.
        for number, key in enumerate(self.keys):
            if not scalar_int(con, f"select count(*) from shared where number = {number}"):
                continue
            value, filled = key_sql(number, key)
            self._drop_proposed(
                f"""
                with keyed as (select {value} as key from {FEATURES} where {filled})
                select {number} as number, key, from keyed
                semi join (select key from shared where number = {number}) as asked using (key)
                group by key having count(*) <= (select cap from block_caps where number = {number})
                """
            )
        con.execute("insert into lost select record_id_l, record_id_r from suspects")
        con.execute("insert into changed_ends select record_id_l from lost union select record_id_r from lost")

    def _drop_proposed(self, live: str) -> None:
        """Take from `suspects` and `shared` the pairs that a block of the query `live` proposes."""
        con = self.con
        con.execute(
            f"create or replace table alive as with live as ({live}) select distinct l, r from shared semi join live using (number, key)"
        )
        for table in ("suspects", "shared"):
            con.execute(f"create or replace table {table} as select * from {table} anti join alive using (l, r)")
