"""Increments against full runs: the same edges and clusters, whatever came in which order."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from linkage_people import load_population, load_rows, population

from orchestration.linkage import LinkageError, LinkageModel, cluster, score, train
from orchestration.linkage.blocking import Budget
from orchestration.linkage.incremental import update_edges
from orchestration.linkage.reclustering import update_clusters

# Small tables block as large ones do, and their blocks cross their caps.
BLOCKING = Budget(every_pair_up_to=0)


def rows_of(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple[object, ...]]:
    return con.execute(f"select * from {table} order by all").fetchall()


def use_records(con: duckdb.DuckDBPyConnection, ids: set[str]) -> None:
    """The table `records`: those of the table `pool` with these ids, in odd order."""
    con.execute("create or replace table chosen as select unnest(?::varchar[]) as record_id", [sorted(ids)])
    con.execute(
        "create or replace table records as select * from pool semi join chosen using (record_id) order by hash(record_id)"
    )


def agree(con: duckdb.DuckDBPyConnection, model: LinkageModel, budget: Budget, judgements: str | None = None) -> None:
    """The incremental tables `edges` and `clusters` are what a full run makes."""
    score(con, model, "records", "full_edges", budget=budget)
    assert rows_of(con, "edges") == rows_of(con, "full_edges")
    cluster(con, model, "records", "full_edges", "full_clusters", judgements=judgements)
    assert rows_of(con, "clusters") == rows_of(con, "full_clusters")


def make_pool(con: duckdb.DuckDBPyConnection, seed: int) -> LinkageModel:
    """The table `pool` of records and versions of them (`record_id`, `version`), and a model."""
    load_population(con, population(40, seed=seed), seed=seed)
    con.execute(
        """
        insert into records by name
        select record_id || ':copy' || n as record_id, * exclude (record_id, n)
        from (select *, unnest(range(3)) as n from records where hash(record_id) % 8 = 0)
        """
    )
    model = train(con, "records", budget=BLOCKING)
    con.execute("create or replace table pool as select * from records")
    return model


@pytest.mark.parametrize("seed", range(1))
@pytest.mark.parametrize("budget", [BLOCKING, Budget()], ids=["blocking", "every pair"])
def test_random_days_equal_a_full_run(con: duckdb.DuckDBPyConnection, seed: int, budget: Budget) -> None:
    chance = random.Random(seed)
    model = make_pool(con, seed)
    # Caps this small are crossed up and down by most batches.
    model = replace(model, caps=tuple(chance.choice((2, 3, 4, 6)) for _ in model.caps))
    pool = {str(row[0]) for row in con.execute("select record_id from pool").fetchall()}
    con.execute("create table judgements (record_id_l varchar, record_id_r varchar, verdict varchar)")
    here = set(chance.sample(sorted(pool), len(pool) // 2))
    increments = 0
    for day in range(7):
        if day:
            here |= set(chance.sample(sorted(pool), 12))
            here -= set(chance.sample(sorted(here), chance.choice((0, 4, 10))))
            changed = chance.sample(sorted(here), 5)
            con.execute(
                "update pool set city = ?, email = case when hash(record_id, ?) % 2 = 0 then null else email end "
                "where record_id in (select unnest(?))",
                [f"town{day}", day, changed],
            )
            if day in (2, 3):
                con.execute(
                    "update pool set phone = ? where record_id in (select unnest(?))",
                    ["+14155550100" if day == 2 else None, chance.sample(sorted(pool), 25)],
                )
            for verdict in ("must_link", "cannot_link"):
                left, right = sorted(chance.sample(sorted(here), 2))
                con.execute("insert into judgements values (?, ?, ?)", [left, right, verdict])
            pairs = con.execute(
                "select record_id_l, record_id_r from edges where identical or match_weight > 3 order by hash(record_id_l, record_id_r, ?) limit 2",
                [day],
            ).fetchall()
            con.executemany("insert into judgements values (?, ?, 'cannot_link')", pairs)
            if day == 5:
                con.execute("delete from judgements where hash(record_id_l) % 2 = 0")
        use_records(con, here)
        update = update_edges(con, model, "records", "edges", budget=budget)
        assert update.full == (day == 0) or "caps" in update.reason or "whole" in update.reason
        increments += not update.full
        update_clusters(con, model, "records", "edges", "clusters", judgements="judgements")
        agree(con, model, budget, "judgements")
    assert increments >= 4
