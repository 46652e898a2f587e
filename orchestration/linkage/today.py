"""What every record says today, against what it said at the last run: the start of an increment.

What belongs here: finding the rows that moved, their features, hot values, identical records, and
which records are dirty or stale. What does not: blocks (touched.py), comparing (increment.py).

The features of all records stay where the last run left them. They are wide, and an increment
needs few columns of all records, or all columns of few: a table of every record's features with
the moved ones replaced took a third of an increment's time on a million records.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestration.linkage.blocking import Budget, Histogram
from orchestration.linkage.comparisons import add_value_classes
from orchestration.linkage.features import FEATURES
from orchestration.linkage.hot import EMPTIED, EMPTIED_TOGETHER, content_sql, find_hot_values, mark_hot_values
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.scoring import add_missing_extras
from orchestration.linkage.sql import columns_of, quoted, scalar_int
from orchestration.linkage.state import State, StateTables
from orchestration.linkage.workspace import Workspace, build_features, check_ids, extras_of, row_hash_sql

if TYPE_CHECKING:
    import duckdb

_PRESENT = "present_features"


class Today:
    """The records of today beside the state of the last run, in a workspace of its own.

    `record_ids` has `rid`, `record_id` and `place`: the row of the state's features that still
    holds, null for moved records, whose features are in `fresh_features`.
    """

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
        self.scored = self.compared = self.standing = 0
        self.edges = state.edges
        self.histogram: Histogram = {}
        self.records_now = 0
        self.columns: list[str] = []
        self.live_keys: dict[int, tuple[str, ...]] = {}

    def find_moved(self) -> bool:
        """`moved`: records that are new, gone, or whose row changed; false when there are none."""
        columns, extras = columns_of(self.source, self.records), extras_of(self.source, self.records)
        self.source.execute(
            f"""
            create table {self.work.name}.main.arriving as
            select cast(record_id as varchar) as record_id, {row_hash_sql(columns, extras)} as row_hash
            from {self.records}
            """
        )
        self.con.execute(
            f"""
            create table moved as
            select
                coalesce(arriving.record_id, before.record_id) as record_id,
                before.record_id is not null and arriving.record_id is null as gone,
                before.record_id is null as new
            from arriving full outer join {self.tables.features} as before using (record_id)
            where arriving.row_hash is distinct from before.row_hash
            """
        )
        self.records_now = scalar_int(self.con, "select count(*) from arriving")
        (gone, new), *_ = self.con.execute(
            "select count(*) filter (where gone), count(distinct record_id) filter (where new) from moved"
        ).fetchall()
        # Ids were unique yesterday: today they are, too, if no more of them arrived than went and came.
        if self.records_now != self.state.records - gone + new:
            check_ids(self.con, self.records, "arriving")
        self.con.execute("drop table arriving")
        return scalar_int(self.con, "select count(*) from moved") > 0

    def derive_fresh(self) -> None:
        """`fresh_features` of the moved records, `record_ids` of all, and a view of all features."""
        con, work = self.con, self.work
        build_features(
            self.source,
            work,
            self.records,
            where=f"cast(record_id as varchar) in (select record_id from {work.name}.main.moved where not gone)",
        )
        add_missing_extras(con, self.model)
        add_value_classes(con, self.model.classes)
        con.execute(
            f"""
            create table fresh_features as
            select record_ids.record_id, record_ids.row_hash, f.* exclude (rid)
            from {FEATURES} as f inner join record_ids using (rid)
            """
        )
        con.execute(f"drop table {FEATURES}")
        self.columns = [name for name in columns_of(con, "fresh_features") if name not in ("record_id", "row_hash")]
        con.execute(
            f"""
            create or replace table record_ids as
            with present as (
                select record_id, f.rowid as place from {self.tables.features} as f anti join moved using (record_id)
                union all
                select record_id, null as place from fresh_features
            )
            select (row_number() over (order by record_id) - 1)::integer as rid, record_id, place from present
            """
        )
        con.execute(
            f"""
            create view {_PRESENT} as
            select * from {self.tables.features} anti join moved using (record_id)
            union all by name
            select * from fresh_features
            """
        )

    def find_dirty(self) -> None:
        """`dirty` (`rid`, `record_id`), `stale` (`record_id`), and the identical pairs that came and went."""
        self._find_emptied()
        self._reset_contents()
        con, scored = self.con, self.tables.scored
        con.execute(
            """
            create table standing as select record_id, content, content_too from said_now where record_id = representative
            """
        )
        con.execute(
            """
            create table stood as select record_id, content, content_too from said_before where record_id = representative
            """
        )
        con.execute(
            """
            create table dirty as
            select record_ids.rid, record_id from standing
            anti join stood using (record_id, content, content_too)
            inner join record_ids using (record_id)
            """
        )
        con.execute(
            "create table stale as select record_id from stood anti join standing using (record_id, content, content_too)"
        )
        con.execute(
            """
            create table changed_ends as
            select record_id from dirty union select record_id from stale
            """
        )
        con.execute(
            """
            create table copies as
            select representative as record_id_l, record_id as record_id_r from said_now where record_id != representative
            """
        )
        con.execute(
            """
            create table copies_before as
            select representative as record_id_l, record_id as record_id_r from said_before
            where record_id != representative
            """
        )
        con.execute(
            """
            create table fresh_copies as
            select l_ids.rid as representative, r_ids.rid as rid, false as certain, record_id_l, record_id_r
            from copies
            inner join record_ids as l_ids on copies.record_id_l = l_ids.record_id
            inner join record_ids as r_ids on copies.record_id_r = r_ids.record_id
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
        self.standing = (
            scalar_int(con, f"select count(*) from {scored} where record_id = representative")
            + scalar_int(con, "select count(*) from standing")
            - scalar_int(con, "select count(*) from stood")
        )

    def take_features(self, rids: str, *, into: str = FEATURES, columns: Iterable[str] | None = None) -> None:
        """Create a table of the features (those of `columns`, or all) of records, hot values emptied; `rids` is a query."""
        names = list(self.columns if columns is None else columns)
        masks = {int(mask) for (mask,) in self.con.execute(f"select distinct mask from {EMPTIED}").fetchall()}
        emptied = {
            name: bit
            for bit, together in enumerate(EMPTIED_TOGETHER.values())
            for column in together
            for name in (column, f"{column}_class")
            if any(mask & (1 << bit) for mask in masks)
        }
        chosen = ", ".join(
            f"case when coalesce(chosen.mask, 0) & {1 << emptied[name]} = 0 then f.{quoted(name)} end as {quoted(name)}"
            if name in emptied
            else f"f.{quoted(name)}"
            for name in names
        )
        self.con.execute(
            f"""
            create or replace table {into} as
            with
                asked as ({rids}),
                chosen as (
                    select ids.rid, ids.record_id, ids.place, marked.mask
                    from record_ids as ids semi join asked using (rid)
                    left join {EMPTIED} as marked on ids.rid = marked.rid
                )
            select chosen.rid, {chosen} from {self.tables.features} as f inner join chosen on f.rowid = chosen.place
            union all
            select chosen.rid, {chosen} from fresh_features as f inner join chosen using (record_id)
            where chosen.place is null
            """
        )

    def _find_emptied(self) -> None:
        """`emptied_values` of all records today, and `recomputed`: those that may say something else than yesterday."""
        con = self.con
        mark_hot_values(con, find_hot_values(con, _PRESENT, self._questionable), _PRESENT, "record_id")
        con.execute(
            f"""
            create or replace table {EMPTIED} as
            select record_ids.rid, record_id, bit_or(mask)::utinyint as mask
            from {EMPTIED} inner join record_ids using (record_id) group by all
            """
        )
        con.execute(
            f"""
            create table recomputed as
            with
                emptied_before as (select record_id, emptied from {self.tables.scored} where emptied != 0),
                warmed as (
                    select coalesce(b.record_id, n.record_id) as record_id
                    from emptied_before as b full outer join {EMPTIED} as n using (record_id)
                    where b.emptied is distinct from n.mask
                )
            select record_id from fresh_features
            union
            select record_id from warmed anti join moved using (record_id)
            """
        )

    def _questionable(self, feature: str, bit: int) -> str:
        """SQL: the values of a feature that may be hot today: those that were, and those that moved records have or had.

        Of any other value the holders are the same, and say the same, as when the last run found it not to be hot.
        """
        features, scored = self.tables.features, self.tables.scored
        return f"""
            select distinct {feature} as value from fresh_features
            union
            select distinct f.{feature} from {features} as f inner join moved using (record_id)
            union
            select distinct f.{feature} from {features} as f
            inner join (select record_id from {scored} where emptied & {1 << bit} != 0) using (record_id)
            """

    def _reset_contents(self) -> None:
        """`said_now` and `said_before`: who stood for whom among records that say what a recomputed or gone one says or said."""
        con, scored = self.con, self.tables.scored
        self.take_features(
            "select rid from record_ids semi join recomputed using (record_id)", into="recomputed_features"
        )
        content, content_too = content_sql(self.columns)
        con.execute(
            f"""
            create table recomputed_contents as
            select record_id, {content} as content, {content_too} as content_too
            from recomputed_features inner join record_ids using (rid)
            """
        )
        con.execute("drop table recomputed_features")
        con.execute(
            """
            create table outdated as select record_id from recomputed union select record_id from moved
            """
        )
        con.execute(
            f"""
            create table reset_contents as
            select content, content_too from {scored} semi join outdated using (record_id)
            union
            select content, content_too from recomputed_contents
            """
        )
        con.execute(
            f"""
            create table said_before as
            select record_id, representative, content, content_too from {scored}
            semi join reset_contents using (content, content_too)
            """
        )
        con.execute(
            """
            create table said_now as
            with saying as (
                select record_id, content, content_too from said_before anti join outdated using (record_id)
                union all
                select record_id, content, content_too from recomputed_contents
            )
            select *, min(record_id) over (partition by content, content_too) as representative from saying
            """
        )
