"""Blocking recall: the share of true pairs that were candidates, and what each blocking rule adds to it.

What belongs here: looking up which of the true pairs a model's keys propose. What does not: scores
of clusters (evaluation.py), and anything that feeds the truth to the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.linkage.blocking import (
    KEYS,
    Budget,
    count_blocks,
    keep_live_blocks,
    live_caps,
    live_keys,
    write_keys,
)
from orchestration.linkage.evaluation import read_truth
from orchestration.linkage.features import FEATURES
from orchestration.linkage.hot import IDENTICAL
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.scoring import prepared
from orchestration.linkage.sql import scalar_int

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class RuleRecall:
    """What one blocking rule proposes of the true pairs, and which of them no other rule proposes."""

    key: tuple[str, ...]
    proposed: int
    alone: int


@dataclass(frozen=True)
class BlockingRecall:
    """How many true pairs were candidates. Tables that are small enough are compared whole, without rules."""

    true_pairs: int
    proposed: int
    identical: int
    """Of the proposed: pairs of records that say exactly the same, which need no rule."""
    every_pair: bool
    rules: tuple[RuleRecall, ...] = ()
    """The rules that propose any, the one that alone adds most first."""

    @property
    def recall(self) -> float:
        """0 to 1; 1 when there is no true pair."""
        return self.proposed / self.true_pairs if self.true_pairs else 1.0


def blocking_recall_of_file(
    con: duckdb.DuckDBPyConnection, model: LinkageModel, records: str, truth: Path
) -> BlockingRecall:
    """Blocking recall against a truth file, as `evaluate_file` reads it."""
    read_truth(con, truth)
    return blocking_recall(con, model, records, "truth")


def blocking_recall(
    con: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    records: str,
    truth: str,
    *,
    truth_col: str = "person_id",
    budget: Budget | None = None,
) -> BlockingRecall:
    """Which pairs of records of one person the model's keys propose.

    `truth` has `record_id` and `truth_col`; records that only one side knows take no part. Raises
    CandidateBudgetError as scoring does.
    """
    known = con.execute(
        f"select cast(record_id as varchar) as record_id, cast({truth_col} as varchar) as person_id from {truth} "
        f"where {truth_col} is not null order by 1"
    ).to_arrow_table()
    chosen = budget or Budget()
    with prepared(con, model, records) as features:
        work = features.con
        work.register("known_truth_arrow", known)
        work.execute(
            f"""
            create table people as
            select
                truths.person_id, coalesce(identical.representative, ids.rid) as rid, count(*)::bigint as records
            from known_truth_arrow as truths
            inner join record_ids as ids on truths.record_id = ids.record_id
            left join {IDENTICAL} as identical on ids.rid = identical.rid
            group by all
            """
        )
        work.unregister("known_truth_arrow")
        identical = scalar_int(work, "select sum(records * (records - 1) // 2) from people")
        true_pairs = scalar_int(
            work,
            """
            with entities as (select person_id, sum(records)::bigint as records from people group by all)
            select sum(records * (records - 1) // 2) from entities
            """,
        )
        standing = scalar_int(work, f"select count(*) from {FEATURES}")
        if chosen.compares_every_pair(standing):
            return BlockingRecall(true_pairs, true_pairs, identical, True)
        proposed, rules = _by_rules(work, model, chosen, standing)
    return BlockingRecall(true_pairs, proposed + identical, identical, False, rules)


def _by_rules(
    work: duckdb.DuckDBPyConnection, model: LinkageModel, budget: Budget, standing: int
) -> tuple[int, tuple[RuleRecall, ...]]:
    """How many true pairs of different records any rule proposes, and what each does. Only true pairs are made."""
    keys = model.keys if model.comparisons else ()
    write_keys(work, live_keys(keys, model.caps))
    caps, _ = live_caps(keys, model.caps, count_blocks(work), budget, standing)
    keep_live_blocks(work, caps)
    work.execute(
        f"""
        create table true_pairs as
        with held as (
            select keys.number, keys.key, people.rid, people.person_id, people.records
            from {KEYS} as keys inner join people using (rid)
        )
        select
            l.rid as l, r.rid as r, l.person_id, any_value(l.records * r.records)::bigint as pairs,
            list(distinct l.number) as numbers
        from held as l
        inner join held as r
            on l.number = r.number and l.key = r.key and l.person_id = r.person_id and l.rid < r.rid
        group by l.rid, r.rid, l.person_id
        """
    )
    proposed = scalar_int(work, "select sum(pairs) from true_pairs")
    rows = work.execute(
        """
        with told as (select unnest(numbers) as number, pairs, len(numbers) = 1 as alone from true_pairs)
        select number, sum(pairs)::bigint, coalesce(sum(pairs) filter (where alone), 0)::bigint as alone
        from told group by number order by alone desc, 2 desc, number
        """
    ).fetchall()
    return proposed, tuple(RuleRecall(tuple(keys[number]), int(pairs), int(alone)) for number, pairs, alone in rows)
