"""One increment of the edges: what changed, which pairs that concerns, and nothing else.

What belongs here: the steps from yesterday's state and today's records to the edges that go and
the edges that come. What does not: the choice of a full run instead (incremental.py).

A record is *dirty* when it stands for itself or for identical records today and did not say the
same, in the same role, yesterday (hot values emptied: one that turned hot or cooled down changes
what its holders say); *stale* is what stood yesterday and does no more. Pairs without a dirty or
stale end stay as they are, unless a block that proposed them passed its cap: of a block that
grew past it, pairs go that no other block proposes; of one that shrank back, all pairs come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.linkage.blocking import PAIRS
from orchestration.linkage.comparisons import add_value_classes
from orchestration.linkage.features import FEATURES
from orchestration.linkage.hot import IDENTICAL
from orchestration.linkage.scoring import (
    FOUND,
    SCORED,
    WEIGHED,
    deliver,
    label_components,
    prepare,
    propose_closing_pairs,
    weigh_copies,
    weigh_pairs,
)
from orchestration.linkage.sql import columns_of, scalar_int
from orchestration.linkage.state import State, exists, scored_sql, write_state
from orchestration.linkage.touched import NeedsFullRun, TouchedBlocks
from orchestration.linkage.workspace import build_features, check_ids, extras_of, row_hash_sql

if TYPE_CHECKING:
    pass

_EVERY = "every_feature"


class Increment(TouchedBlocks):
    """One update of the edges in a workspace of its own; `run` it once."""

    def run(self) -> Increment:
        """Bring edges and state up to date. Raises NeedsFullRun before anything was written."""
        if not self._find_moved():
            return self
        self._gather_features()
        self._find_dirty()
        self._propose()
        self._weigh_found()
        self._find_affected()
        self._weigh_closing()
        self._write()
        return self

    def _find_moved(self) -> bool:
        """`moved`: records that are new, gone, or whose row changed; false when there are none."""
        columns, extras = columns_of(self.source, self.records), extras_of(self.source, self.records)
        self.source.execute(
            f"""
            create table {self.work.name}.main.arriving as
            select cast(record_id as varchar) as record_id, {row_hash_sql(columns, extras)} as row_hash
            from {self.records}
            """
        )
        check_ids(self.con, self.records, "arriving")
        self.con.execute(
            f"""
            create table moved as
            select
                coalesce(arriving.record_id, before.record_id) as record_id,
                arriving.record_id is null as gone
            from arriving full outer join {self.tables.features} as before using (record_id)
            where arriving.row_hash is distinct from before.row_hash
            """
        )
        self.records_now = scalar_int(self.con, "select count(*) from arriving")
        self.con.execute("drop table arriving")
        return scalar_int(self.con, "select count(*) from moved") > 0

    def _gather_features(self) -> None:
        """`features` and `record_ids` of all records, those of moved ones derived anew."""
        con, work = self.con, self.work
        build_features(
            self.source,
            work,
            self.records,
            where=f"cast(record_id as varchar) in (select record_id from {work.name}.main.moved where not gone)",
        )
        con.execute(
            f"""
            create table fresh_features as
            select record_ids.record_id, record_ids.row_hash, f.* exclude (rid)
            from {FEATURES} as f inner join record_ids using (rid)
            """
        )
        con.execute(
            f"""
            create or replace table record_ids as
            with present as (
                select record_id from {self.tables.features} anti join moved using (record_id)
                union all
                select record_id from fresh_features
            )
            select (row_number() over (order by record_id) - 1)::integer as rid, record_id from present
            """
        )
        con.execute(
            f"""
            create or replace table {FEATURES} as
            with present as (
                select * from {self.tables.features} anti join moved using (record_id)
                union all by name
                select * from fresh_features
            )
            select record_ids.rid, present.* exclude (record_id, row_hash)
            from present inner join record_ids using (record_id)
            """
        )
        prepare(con, self.model)
        con.execute(f"create table contents as select rid, content, content_too from {FEATURES}")

    def _find_dirty(self) -> None:
        """`dirty` (`rid`, `record_id`), `stale` (`record_id`), and the identical pairs that came and went."""
        con, scored = self.con, self.tables.scored
        con.execute(
            """
            create table standing as
            select contents.rid, record_ids.record_id, contents.content, contents.content_too
            from contents inner join record_ids using (rid)
            """
        )
        con.execute(
            f"""
            create table stood as
            select record_id, content, content_too from {scored} where record_id = representative
            """
        )
        con.execute(
            "create table dirty as "
            "select rid, record_id from standing anti join stood using (record_id, content, content_too)"
        )
        con.execute(
            "create table stale as select record_id from stood anti join standing using (record_id, content, content_too)"
        )
        con.execute("drop table standing")
        con.execute("drop table stood")
        con.execute(
            """
            create table changed_ends as
            select record_id from dirty union select record_id from stale
            """
        )
        con.execute(
            f"""
            create table copies as
            select i.representative, i.rid, i.certain, l_ids.record_id as record_id_l, r_ids.record_id as record_id_r
            from {IDENTICAL} as i
            inner join record_ids as l_ids on i.representative = l_ids.rid
            inner join record_ids as r_ids on i.rid = r_ids.rid
            """
        )
        con.execute(
            f"""
            create table copies_before as
            select representative as record_id_l, record_id as record_id_r from {scored}
            where record_id != representative
            """
        )
        con.execute(
            """
            create table fresh_copies as
            select * from copies
            where record_id_l in (select record_id from dirty)
                or (record_id_l, record_id_r) not in (select (record_id_l, record_id_r) from copies_before)
            """
        )
        con.execute(
            """
            create table removed as
            select * from copies_before
            where record_id_l in (select record_id from changed_ends)
                or (record_id_l, record_id_r) not in (select (record_id_l, record_id_r) from copies)
            """
        )
        self.scored = scalar_int(con, "select count(*) from dirty")

    def _propose(self) -> None:
        """`candidate_pairs` of dirty records and of blocks that came back; pairs that lost their blocks go."""
        con = self.con
        standing = scalar_int(con, f"select count(*) from {FEATURES}")
        if self.budget.compares_every_pair(standing) != self.state.every_pair:
            raise NeedsFullRun("the table came to be compared whole, or ceased to be")
        con.execute(
            f"""
            create table lost as
            select record_id_l, record_id_r from {self.tables.edges} limit 0
            """
        )
        con.execute(f"create table {PAIRS} (l integer, r integer)")
        if self.state.every_pair:
            con.execute(
                f"""
                insert into {PAIRS}
                select distinct least(dirty.rid, f.rid), greatest(dirty.rid, f.rid)
                from dirty inner join {FEATURES} as f on dirty.rid != f.rid
                """
            )
        else:
            self.touch_blocks(standing)
            con.execute(
                f"""
                insert into {PAIRS}
                select least(dirty_keys.rid, mates.rid), greatest(dirty_keys.rid, mates.rid)
                from dirty_keys
                inner join touched_blocks as blocks using (number, key)
                inner join touched_members as mates using (number, key)
                where blocks.live and dirty_keys.rid != mates.rid
                union
                select l.rid, r.rid
                from touched_blocks as blocks
                inner join touched_members as l using (number, key)
                inner join touched_members as r using (number, key)
                where blocks.live and not blocks.lived and blocks.size_before > 1 and l.rid < r.rid
                """
            )
            self.find_lost()
        self.compared += scalar_int(con, f"select count(*) from {PAIRS}")

    def _weigh_found(self) -> None:
        """`found_pairs` of the candidates, and what they change: `removed` edges, `changed_ends`."""
        con = self.con
        con.execute(f"alter table {FEATURES} rename to {_EVERY}")
        self._take_features(
            f"select l as rid from {PAIRS} union select r from {PAIRS} union select representative from fresh_copies"
        )
        weigh_pairs(con, self.model, self.floor)
        weigh_copies(con, self.model, self.floor, "fresh_copies")
        con.execute(f"alter table {WEIGHED} rename to {FOUND}")
        con.execute(f"drop table {FEATURES}")
        # A weak pair matters to a component only if it lies inside; then a changed end names it.
        con.execute(
            f"""
            insert into changed_ends
            with telling as (
                select l, r from {FOUND}
                where
                    match_weight >= {self.model.threshold_weight}
                    or (l not in (select rid from dirty) and r not in (select rid from dirty))
            ),
            ends as (select l as rid from telling union select r from telling)
            select record_ids.record_id from ends inner join record_ids using (rid)
            union
            select record_id from moved
            union
            select record_id_r from fresh_copies
            union
            select record_id_r from removed
            """
        )
        con.execute(
            f"""
            insert into removed
            select record_id_l, record_id_r from lost
            union all
            select l_ids.record_id, r_ids.record_id from {FOUND} as found
            inner join record_ids as l_ids on found.l = l_ids.rid
            inner join record_ids as r_ids on found.r = r_ids.rid
            """
        )

    def _take_features(self, rids: str) -> None:
        """The features of some records, with frequency classes, as what is compared."""
        self.con.execute(
            f"""
            create or replace table {FEATURES} as
            with chosen as ({rids})
            select f.* from {_EVERY} as f semi join chosen using (rid)
            """
        )
        add_value_classes(self.con, self.model.classes)

    def _find_affected(self) -> None:
        """`members`: the records of every component that changed; `components` of them today."""
        con = self.con
        con.execute(
            f"""
            create table affected as
            with touched as (
                select component from {self.tables.scored} semi join changed_ends using (record_id)
            )
            select record_id from {self.tables.scored} semi join touched using (component)
            union
            select record_id from changed_ends
            """
        )
        con.execute("create table affected_ids as select * from record_ids semi join affected using (record_id)")
        con.execute("create table members as select rid from affected_ids")
        con.execute(
            f"""
            create table kept as
            select l_ids.rid as l, r_ids.rid as r, edges.match_weight
            from {self.tables.edges} as edges
            inner join affected_ids as l_ids on edges.record_id_l = l_ids.record_id
            inner join affected_ids as r_ids on edges.record_id_r = r_ids.record_id
            anti join stale_or_dirty as l_gone on edges.record_id_l = l_gone.record_id and not edges.identical
            anti join stale_or_dirty as r_gone on edges.record_id_r = r_gone.record_id and not edges.identical
            anti join removed
                on edges.record_id_l = removed.record_id_l and edges.record_id_r = removed.record_id_r
            where not edges.closing
            """.replace("stale_or_dirty", "(select record_id from dirty union select record_id from stale)")
        )
        label_components(
            con,
            f"""
            select l, r from kept where match_weight >= {self.model.threshold_weight}
            union all
            select l, r from {FOUND} where match_weight >= {self.model.threshold_weight}
            """,
        )

    def _weigh_closing(self) -> None:
        con = self.con
        con.execute(f"create table known as select l, r from kept union all select l, r from {FOUND}")
        propose_closing_pairs(con, found="known")
        self.compared += scalar_int(con, f"select count(*) from {PAIRS}")
        self._take_features(f"select l as rid from {PAIRS} union select r from {PAIRS}")
        weigh_pairs(con, self.model, probability_floor=None)
        deliver(con, self.model, SCORED)

    def _write(self) -> None:
        """Edges and state, in one transaction."""
        con, tables = self.con, self.tables
        con.execute(f"create table rescored as {scored_sql('components')}")
        con.execute("begin")
        try:
            con.execute(
                f"""
                delete from {tables.edges} as edges where
                    (edges.record_id_l, edges.record_id_r) in (select (record_id_l, record_id_r) from removed)
                    or (edges.closing and edges.record_id_l in (select record_id from affected))
                    or (not edges.identical and (
                        edges.record_id_l in (select record_id from dirty union select record_id from stale)
                        or edges.record_id_r in (select record_id from dirty union select record_id from stale)
                    ))
                """
            )
            con.execute(f"insert into {tables.edges} by name select * from {SCORED}")
            con.execute(f"delete from {tables.features} where record_id in (select record_id from moved)")
            con.execute(f"insert into {tables.features} by name select * from fresh_features")
            con.execute(f"delete from {tables.scored} where record_id in (select record_id from affected)")
            con.execute(f"insert into {tables.scored} by name select * from rescored")
            generation = self.state.generation + 1
            if exists(con, tables.cluster_state):
                con.execute(
                    f"delete from {tables.affected} where generation <= (select generation from {tables.cluster_state})"
                )
            con.execute(f"insert into {tables.affected} select record_id, {generation} from affected")
            self.edges = scalar_int(con, f"select count(*) from {tables.edges}")
            state = State(
                self.state.signature, generation, self.records_now, self.edges, self.state.every_pair, self.state.caps
            )
            write_state(con, tables, state, self.histogram, within=True)
            con.execute("commit")
        except BaseException:
            con.execute("rollback")
            raise
