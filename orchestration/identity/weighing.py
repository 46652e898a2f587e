"""The outcome of every comparison for one pair of records, by the model in use.

Belongs here: looking a pair up among the edges, or having it compared. Does not belong here: what the outcomes mean to
people (see `explain`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from orchestration.linkage import LinkageModel


@dataclass(frozen=True)
class WeighedPair:
    """A pair as the model sees it: one outcome number per comparison (-1 missing, 0 none, upwards), and the weight."""

    outcomes: tuple[int, ...]
    weight: float


def weigh(
    con: "duckdb.DuckDBPyConnection", model: "LinkageModel", records: str, edges: str, left: str, right: str
) -> WeighedPair:
    """Weigh a pair, `left` before `right`; both records are there.

    A pair with an edge was compared by the last run. Any other is compared now, in the midst of all records, because
    which values too many people share depends on all of them.
    """
    return _of_edge(con, model, edges, left, right) or _compare(con, model, records, left, right)


def _of_edge(
    con: "duckdb.DuckDBPyConnection", model: "LinkageModel", edges: str, left: str, right: str
) -> WeighedPair | None:
    from orchestration.linkage.sql import columns_of, quoted

    gammas = [f"gamma_{comparison.name}" for comparison in model.comparisons]
    schema, _, table = edges.partition(".")
    there = con.execute(
        "select 1 from duckdb_tables() where schema_name = ? and table_name = ?", [schema, table]
    ).fetchall()
    if not there or not set(gammas) <= set(columns_of(con, edges)):
        return None
    selected = "".join(f", {quoted(name)}" for name in gammas)
    rows = con.execute(
        f"""
        select match_weight {selected} from {edges}
        where record_id_l = ? and record_id_r = ? and model_version = ?
        """,
        [left, right, model.version],
    ).fetchall()
    if not rows or any(value is None for value in rows[0]):
        return None
    return WeighedPair(tuple(int(value) for value in rows[0][1:]), float(rows[0][0]))


def _compare(
    con: "duckdb.DuckDBPyConnection", model: "LinkageModel", records: str, left: str, right: str
) -> WeighedPair:
    from orchestration.linkage.blocking import PAIRS
    from orchestration.linkage.scoring import prepared, weigh_pairs
    from orchestration.linkage.sql import quoted

    gammas = "".join(f", {quoted(f'gamma_{comparison.name}')}" for comparison in model.comparisons)
    if not model.comparisons:
        return WeighedPair((), float("-inf"))
    with prepared(con, model, records) as features:
        work = features.con
        work.execute(
            f"""
            create or replace table {PAIRS} as
            select least(one.rid, other.rid) as l, greatest(one.rid, other.rid) as r
            from record_ids as one, record_ids as other
            where one.record_id = ? and other.record_id = ?
            """,
            [left, right],
        )
        weigh_pairs(work, model, probability_floor=None)
        rows = work.execute(f"select match_weight {gammas} from weighed_pairs").fetchall()
    return WeighedPair(tuple(int(value) for value in rows[0][1:]), float(rows[0][0]))
