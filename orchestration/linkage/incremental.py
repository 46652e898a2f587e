"""Edges from day to day: only what changed is compared anew, and the result is a full run's.

What belongs here: deciding between a full run and an increment, and the full run that leaves
state. What does not: how an increment finds what changed (increment.py), clusters
(reclustering.py), the names of the state's tables (state.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.linkage.blocking import Budget, Histogram
from orchestration.linkage.comparisons import add_value_classes
from orchestration.linkage.features import ATTRIBUTES, FEATURES
from orchestration.linkage.increment import Increment
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.scoring import (
    PROBABILITY_FLOOR,
    SCORED,
    add_missing_extras,
    deliver,
    prepare,
    score_prepared,
)
from orchestration.linkage.sql import columns_of, scalar_int
from orchestration.linkage.state import State, StateTables, forget_state, read_state, scored_sql, signature, write_state
from orchestration.linkage.touched import NeedsFullRun
from orchestration.linkage.workspace import Workspace, build_features, extras_of, workspace

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class EdgeUpdate:
    """What an update of the edges did.

    `scored` records (identical ones count once) were compared with others, in `compared` pairs;
    `reason` says why a full run was needed, and is empty after an increment.
    """

    full: bool
    reason: str
    records: int
    scored: int
    compared: int
    edges: int


def update_edges(
    con: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    records: str,
    edges: str,
    *,
    budget: Budget | None = None,
    probability_floor: float = PROBABILITY_FLOOR,
    full: bool = False,
) -> EdgeUpdate:
    """Bring the table `edges` up to date with the records: what `score` would make, row for row.

    Compares only records that are new or say something new, with the rest; state in the tables
    `linkage_*` of the schema of `edges` makes that possible. Everything is compared when there is no
    such state, when it is not whole, when code, model, settings or columns changed, when the
    blocking's mode or caps changed, or when `full` asks for it. Not to be called inside a
    transaction. A run that fails midway leaves the edges of the run before, or none that an
    increment would build on.

    Raises LinkageError for null or repeated ids, CandidateBudgetError past the pair budget.
    """
    chosen = budget or Budget()
    columns = [name for name in columns_of(con, records) if name in ATTRIBUTES or name in extras_of(con, records)]
    marked = signature(model, chosen, probability_floor, columns)
    reason = "a full run was asked for"
    if not full:
        state, reason = read_state(con, StateTables.beside(edges))
        if state is not None and state.signature != marked:
            reason = "the model, the settings, the columns or the code changed"
        elif state is not None:
            try:
                with workspace(con) as work:
                    tables = StateTables.beside(edges, work.warehouse)
                    update = Increment(con, work, model, records, tables, state, chosen, probability_floor).run()
                    return EdgeUpdate(False, "", update.records_now, update.scored, update.compared, update.edges)
            except NeedsFullRun as needed:
                reason = str(needed)
    with workspace(con) as work:
        return _rebuild(con, work, model, records, edges, chosen, probability_floor, marked, reason)


def _rebuild(
    con: duckdb.DuckDBPyConnection,
    work: Workspace,
    model: LinkageModel,
    records: str,
    edges: str,
    budget: Budget,
    floor: float,
    marked: str,
    reason: str,
) -> EdgeUpdate:
    tables = StateTables.beside(edges, work.warehouse)
    features = build_features(con, work, records)
    forget_state(con, tables)
    private = features.con
    add_missing_extras(private, model)
    add_value_classes(private, model.classes)
    private.execute(
        f"""
        create or replace table {tables.features} as
        select record_ids.record_id, record_ids.row_hash, f.* exclude (rid)
        from {FEATURES} as f inner join record_ids using (rid)
        """
    )
    prepare(private, model)
    private.execute(f"create table contents as select rid, content, content_too from {FEATURES}")
    proposal = score_prepared(features, model, budget, floor)
    compared = scalar_int(private, "select count(*) from candidate_pairs")
    deliver(private, model, SCORED)
    con.execute(f"create or replace table {edges} as select * from {work.name}.main.{SCORED}")
    private.execute(f"create or replace table {tables.scored} as {scored_sql('components')}")
    private.execute(
        f"create or replace table {tables.affected} as select ''::varchar as record_id, 0::bigint as generation limit 0"
    )
    made = scalar_int(con, f"select count(*) from {edges}")
    histogram: Histogram = {} if proposal.every_pair else proposal.histogram
    new_state = State(marked, 1, features.records, made, proposal.every_pair, proposal.caps)
    write_state(con, tables, new_state, histogram)
    scored = scalar_int(private, f"select count(*) from {FEATURES}")
    return EdgeUpdate(True, reason, features.records, scored, compared + proposal.pairs, made)
