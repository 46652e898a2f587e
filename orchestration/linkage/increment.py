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

from orchestration.linkage.blocking import PAIRS
from orchestration.linkage.features import FEATURES
from orchestration.linkage.hot import CERTAIN_SQL, IDENTICAL
from orchestration.linkage.scoring import (
    FOUND,
    SCORED,
    WEIGHED,
    compared_columns,
    deliver,
    label_components,
    propose_closing_pairs,
    weigh_copies,
    weigh_pairs,
)
from orchestration.linkage.sql import scalar_int
from orchestration.linkage.state import State, exists, scored_sql, write_state
from orchestration.linkage.touched import NeedsFullRun, TouchedBlocks

_CERTAIN_COLUMNS = ("given", "family", "birth", "email", "national_id")


class Increment(TouchedBlocks):
    """One update of the edges in a workspace of its own; `run` it once."""

    def run(self) -> Increment:
        """Bring edges and state up to date. Raises NeedsFullRun before anything was written."""
        if not self.find_moved():
            return self
        self.derive_fresh()
        self.find_dirty()
        self._propose()
        self._weigh_found()
        self._find_affected()
        self._weigh_closing()
        self._write()
        return self

    def _propose(self) -> None:
        """`candidate_pairs` of dirty records and of blocks that came back; pairs that lost their blocks go."""
        con = self.con
        if self.budget.compares_every_pair(self.standing) != self.state.every_pair:
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
                with everyone as (
                    select record_id from standing
                    union all
                    select record_id from {self.tables.scored} anti join said_before using (record_id)
                    where record_id = representative
                )
                select distinct least(dirty.rid, ids.rid), greatest(dirty.rid, ids.rid)
                from everyone
                inner join record_ids as ids using (record_id)
                inner join dirty on dirty.rid != ids.rid
                """
            )
        else:
            self.touch_blocks()
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
        self._take_compared(
            f"select l as rid from {PAIRS} union select r from {PAIRS} union select representative from fresh_copies"
        )
        con.execute(
            f"""
            update fresh_copies set certain = true
            where representative in (select rid from {FEATURES} where {CERTAIN_SQL})
            """
        )
        weigh_pairs(con, self.model, self.floor)
        weigh_copies(con, self.model, self.floor, "fresh_copies")
        con.execute(f"alter table {WEIGHED} rename to {FOUND}")
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

    def _take_compared(self, rids: str) -> None:
        """What is compared of some records, as the table `features`."""
        wanted = {*compared_columns(self.model, self.columns), *_CERTAIN_COLUMNS}
        self.take_features(rids, columns=[name for name in self.columns if name in wanted])

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
        self._stand_affected()
        con.execute("create table stale_or_dirty as select record_id from dirty union select record_id from stale")
        con.execute(
            f"""
            create table kept as
            with inside as materialized (
                select l_ids.rid as l, r_ids.rid as r, edges.record_id_l, edges.record_id_r, match_weight, identical
                from {self.tables.edges} as edges
                inner join affected_ids as l_ids on edges.record_id_l = l_ids.record_id
                inner join affected_ids as r_ids on edges.record_id_r = r_ids.record_id
                where not edges.closing
            )
            select l, r, match_weight from inside
            anti join stale_or_dirty as l_gone on inside.record_id_l = l_gone.record_id and not inside.identical
            anti join stale_or_dirty as r_gone on inside.record_id_r = r_gone.record_id and not inside.identical
            anti join removed
                on inside.record_id_l = removed.record_id_l and inside.record_id_r = removed.record_id_r
            """
        )
        label_components(
            con,
            f"""
            select l, r from kept where match_weight >= {self.model.threshold_weight}
            union all
            select l, r from {FOUND} where match_weight >= {self.model.threshold_weight}
            """,
        )

    def _stand_affected(self) -> None:
        """`identical_records` and `contents`, as a full run has them, of the affected records."""
        con = self.con
        con.execute(
            f"""
            create table affected_said as
            with said as (
                select record_id, representative, content, content_too from said_now semi join affected using (record_id)
                union all
                select record_id, representative, content, content_too from {self.tables.scored}
                semi join affected using (record_id)
                anti join said_now using (record_id)
            )
            select ids.rid, representatives.rid as representative, said.content, said.content_too
            from said
            inner join record_ids as ids on said.record_id = ids.record_id
            inner join record_ids as representatives on said.representative = representatives.record_id
            """
        )
        con.execute(
            f"create table {IDENTICAL} as select rid, representative from affected_said where rid != representative"
        )
        con.execute(
            "create table contents as select distinct representative as rid, content, content_too from affected_said"
        )

    def _weigh_closing(self) -> None:
        con = self.con
        con.execute(f"create table known as select l, r from kept union all select l, r from {FOUND}")
        propose_closing_pairs(con, found="known")
        self.compared += scalar_int(con, f"select count(*) from {PAIRS}")
        self._take_compared(f"select l as rid from {PAIRS} union select r from {PAIRS}")
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
                        edges.record_id_l in (select record_id from stale_or_dirty)
                        or edges.record_id_r in (select record_id from stale_or_dirty)
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
