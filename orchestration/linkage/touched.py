"""The blocks that changed records touch, and the pairs that no block proposes any more.

What belongs here: counting, of all blocks, only those that dirty and stale records hold, and
what it means for pairs that one of them passed its cap. What does not: the other steps of an
increment (increment.py), and how a full run makes pairs (blocking.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from orchestration.linkage.blocking import key_sql, live_caps, live_keys, write_caps, write_keys
from orchestration.linkage.hot import EMPTIED, EMPTIED_TOGETHER
from orchestration.linkage.sql import quoted, scalar_int
from orchestration.linkage.state import read_histogram
from orchestration.linkage.today import Today


class NeedsFullRun(Exception):  # noqa: N818
    """The state does not suffice for an increment; the message says why. Never leaves this package."""


class TouchedBlocks(Today):
    """The part of an increment that is about blocks; works on the tables `dirty` and `stale`."""

    def touch_blocks(self) -> None:
        """`touched_blocks` (with their sizes today and yesterday) and `touched_members`."""
        con = self.con
        self.live_keys = live_keys(self.keys, self.model.caps)
        self._find_regular()
        self._stale_features()
        write_keys(con, self.live_keys, of="stale_features", into="stale_keys")
        con.execute("create table dirty_keys as select * from irregular_keys semi join dirty using (rid)")
        con.execute(
            "create table touched as select number, key from dirty_keys union select number, key from stale_keys"
        )
        self._members_of("touched", self.live_keys, into="touched_members")
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
        caps, _ = live_caps(self.keys, self.model.caps, self.histogram, self.budget, self.standing)
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

    def _key_columns(self) -> list[str]:
        return sorted({column for key in self.live_keys.values() for column in key})

    def _find_regular(self) -> None:
        """`regular` (`place`, `rid`): records whose keys the state's features still say; `irregular_keys`: those of the rest."""
        con, scored = self.con, self.tables.scored
        con.execute(
            f"""
            create table regular as
            with irregular as (
                select record_id from said_now
                union all
                select record_id from {EMPTIED}
                union all
                select record_id from {scored} where record_id != representative
            )
            select place, rid from record_ids anti join irregular using (record_id) where place is not null
            """
        )
        self.take_features(
            f"""
            select record_ids.rid from standing inner join record_ids using (record_id)
            union
            select {EMPTIED}.rid from {EMPTIED} inner join {scored} as scored using (record_id)
            anti join said_now using (record_id)
            where scored.record_id = scored.representative
            """,
            into="irregular_features",
            columns=self._key_columns(),
        )
        write_keys(con, self.live_keys, of="irregular_features", into="irregular_keys")

    def _members_of(self, asked: str, keys: Mapping[int, Sequence[str]], into: str) -> None:
        """Create a table (`number`, `key`, `rid`) of the records that stand in the blocks (`number`, `key`) of `asked`."""
        con = self.con
        con.execute("create or replace table found_places (number utinyint, key ubigint, place bigint)")
        for number, key in keys.items():
            value, filled = key_sql(number, key)
            con.execute(
                f"""
                insert into found_places
                with keyed as (
                    select {value} as key, f.rowid as place from {self.tables.features} as f where {filled}
                )
                select {number}, keyed.key, keyed.place from keyed
                semi join (select key from {asked} where number = {number}) as asked using (key)
                """
            )
        con.execute(
            f"""
            create or replace table {into} as
            select found_places.number, found_places.key, regular.rid from found_places inner join regular using (place)
            union all
            select number, key, rid from irregular_keys semi join {asked} as asked using (number, key)
            """
        )

    def _stale_features(self) -> None:
        """`stale_features`: what the stale records said yesterday in keys, the values that were hot then emptied."""
        con = self.con
        columns = self._key_columns()
        con.execute(
            f"""
            create table stale_features as
            with places as (
                select f.rowid as place, scored.emptied
                from {self.tables.features} as f
                semi join stale using (record_id)
                inner join {self.tables.scored} as scored using (record_id)
            )
            select places.place as rid, places.emptied{"".join(f", f.{quoted(name)}" for name in columns)}
            from {self.tables.features} as f inner join places on f.rowid = places.place
            """
        )
        for bit, together in enumerate(EMPTIED_TOGETHER.values()):
            concerned = [name for name in together if name in columns]
            if concerned:
                emptied = ", ".join(f"{name} = null" for name in concerned)
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
        self.take_features(
            "select l as rid from suspects union select r from suspects",
            into="suspect_features",
            columns=self._key_columns(),
        )
        write_keys(con, self.live_keys, of="suspect_features", into="suspect_keys")
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
        for number, key in self.live_keys.items():
            if not scalar_int(con, f"select count(*) from shared where number = {number}"):
                continue
            self._members_of("shared", {number: key}, into="shared_members")
            self._drop_proposed(
                f"""
                select number, key from shared_members where number = {number} group by all
                having count(*) <= (select cap from block_caps where number = {number})
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
