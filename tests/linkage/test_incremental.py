"""Increments against full runs: the same edges and clusters, whatever came in which order."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from linkage_people import load_population, load_rows, population

from orchestration.linkage import LinkageError, LinkageModel, ModelError, cluster, score, train
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


@cache
def trained_pool() -> tuple[pa.Table, LinkageModel]:
    """Records, some of them four times, and a model trained on them: once for all tests."""
    con = duckdb.connect(":memory:")
    load_population(con, population(40))
    con.execute(
        """
        insert into records by name
        select record_id || ':copy' || n as record_id, * exclude (record_id, n)
        from (select *, unnest(range(3)) as n from records where hash(record_id) % 8 = 0)
        """
    )
    model = train(con, "records", budget=BLOCKING)
    return con.execute("select * from records order by record_id").to_arrow_table(), model


def make_pool(con: duckdb.DuckDBPyConnection) -> LinkageModel:
    """The tables `records` and `pool` of the same records, and a model."""
    people, model = trained_pool()
    con.register("people_arrow", people)
    con.execute("create table pool as select * from people_arrow; create table records as select * from people_arrow")
    con.unregister("people_arrow")
    return model


@pytest.mark.parametrize("seed", range(1))
@pytest.mark.parametrize("budget", [BLOCKING, Budget()], ids=["blocking", "every pair"])
def test_random_days_equal_a_full_run(con: duckdb.DuckDBPyConnection, seed: int, budget: Budget) -> None:
    chance = random.Random(seed)
    model = make_pool(con)
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


def test_any_order_and_batching_gives_the_same(con: duckdb.DuckDBPyConnection) -> None:
    model = make_pool(con)
    pool = sorted(str(row[0]) for row in con.execute("select record_id from pool").fetchall())
    ends = []
    for seed, batches in ((1, 1), (2, 3), (3, 2)):
        order = random.Random(seed).sample(pool, len(pool))
        for table in ("edges", "clusters", "linkage_state", "linkage_cluster_state"):
            con.execute(f"drop table if exists {table}")
        for batch in range(1, batches + 1):
            use_records(con, set(order[: len(order) * batch // batches]))
            update_edges(con, model, "records", "edges", budget=BLOCKING)
            update_clusters(con, model, "records", "edges", "clusters")
        ends.append((rows_of(con, "edges"), rows_of(con, "clusters")))
    assert ends[0] == ends[1] == ends[2]


def test_a_state_that_does_not_fit_is_not_built_on(con: duckdb.DuckDBPyConnection) -> None:
    model = make_pool(con)
    con.execute("create or replace table records as select * from pool where hash(record_id) % 3 != 0")

    def reason(**asked: bool) -> str:
        return update_edges(con, model, "records", "edges", **asked).reason

    assert "no state" in reason()
    assert reason() == ""
    assert "asked" in reason(full=True)
    con.execute("delete from edges where record_id_l = (select min(record_id_l) from edges)")
    assert "edges is not what the last run left" in reason()
    con.execute("delete from linkage_features where record_id = (select min(record_id) from records)")
    assert "linkage_features" in reason()
    model = replace(model, threshold_weight=model.threshold_weight + 0.5)
    assert "model" in reason()
    con.execute("alter table records drop column city")
    assert "columns" in reason()
    update_clusters(con, model, "records", "edges", "clusters")
    agree(con, model, Budget())


def test_an_increment_that_fails_leaves_the_day_before(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_pool(con)
    con.execute("create or replace table records as select * from pool where hash(record_id) % 4 != 0")
    update_edges(con, model, "records", "edges")
    tables = ("edges", "linkage_features", "linkage_scored", "linkage_state")
    before = [rows_of(con, table) for table in tables]
    con.execute("create or replace table records as select * from pool")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr("orchestration.linkage.increment.write_state", fail)
        with pytest.raises(RuntimeError, match="power"):
            update_edges(con, model, "records", "edges")
    assert [rows_of(con, table) for table in tables] == before
    assert not update_edges(con, model, "records", "edges").full
    update_clusters(con, model, "records", "edges", "clusters")
    agree(con, model, Budget())


def test_a_full_run_that_fails_leaves_no_state(con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_pool(con)
    update_edges(con, model, "records", "edges")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patched:
        patched.setattr("orchestration.linkage.incremental.write_state", fail)
        with pytest.raises(RuntimeError, match="power"):
            update_edges(con, model, "records", "edges", full=True)
    assert "no state" in update_edges(con, model, "records", "edges").reason


def test_repeated_ids_are_refused_by_an_increment_too(con: duckdb.DuckDBPyConnection) -> None:
    model = make_pool(con)
    update_edges(con, model, "records", "edges")
    con.execute("insert into records select * from pool order by record_id limit 1")
    with pytest.raises(LinkageError, match="in 2 row"):
        update_edges(con, model, "records", "edges")


def test_identical_records_can_be_kept_apart(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(40))
    con.execute(
        """
        insert into records by name
        select 'same:' || n as record_id, 's' as source, 'Zelda' as given_name, 'Quibble' as family_name,
            date '1971-05-06' as birth_date, 'zelda.quibble@mail.org' as email
        from range(6) as numbers (n)
        """
    )
    model = train(con, "records")
    update_edges(con, model, "records", "edges")
    con.execute(
        "create table judgements as select 'same:2' as record_id_l, 'same:4' as record_id_r, 'cannot_link' as verdict"
    )
    for _ in range(2):
        update_clusters(con, model, "records", "edges", "clusters", judgements="judgements")
        names = dict(con.execute("select record_id, cluster_id from clusters where record_id like 'same:%'").fetchall())
        assert names["same:2"] != names["same:4"]
        assert len(set(names.values())) == 2
    con.execute("delete from judgements")
    update_clusters(con, model, "records", "edges", "clusters", judgements="judgements")
    assert con.execute("select distinct cluster_id from clusters where record_id like 'same:%'").fetchall() == [
        ("same:0",)
    ]


@pytest.mark.parametrize(
    "further", [{"email": "user{n}@example.com"}, {}, {"phone": "+1415555{n:04d}", "street": "{n} Main Street"}],
    ids=["e-mail", "names only", "phone and street"],
)  # fmt: skip
def test_small_regular_records_stay_apart_and_their_copies_together(
    con: duckdb.DuckDBPyConnection, further: dict[str, str]
) -> None:
    """Names of such records differ by their numbers, and by nothing else."""
    rows: list[dict[str, str | None]] = [
        {
            "record_id": f"{source}:{n:04d}",
            "given_name": f"Given{n}",
            "family_name": f"Family{n}",
            **{name: text.format(n=n) for name, text in further.items()},
        }
        for source in ("crm", "web")
        for n in range(120)
    ]
    load_rows(con, rows)
    model = train(con, "records")
    update_edges(con, model, "records", "edges")
    update_clusters(con, model, "records", "edges", "clusters")
    sizes = "select cluster_id, count(distinct record_id[5:]) as people, count(*) as records from clusters group by all"
    assert con.execute(f"select people, records, count(*) from ({sizes}) group by all").fetchall() == [(1, 2, 120)]


def test_a_model_of_an_older_format_is_to_be_trained_again(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    model = make_pool(con)
    model.save(tmp_path)
    path = tmp_path / "model.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(ModelError, match="train it again"):
        LinkageModel.load(tmp_path)


def test_pairs_go_when_their_block_outgrows_its_cap_and_come_back(con: duckdb.DuckDBPyConnection) -> None:
    """With a cap of two, a third person with the same phone takes the pair of the other two away."""
    load_population(con, population(40, seed=11), seed=11)
    model = replace(train(con, "records", budget=BLOCKING), keys=(("phone",), ("email",)), caps=(2, 2))
    shared = [("one", "Anna", "Quibble"), ("two", "Bert", "Quibble"), ("three", "Cora", "Quibble")]
    con.executemany(
        "insert into records by name select ? as record_id, 's' as source, ? as given_name, ? as family_name, "
        "'+14155550123' as phone",
        shared,
    )
    con.execute("create table pool as select * from records")
    pool = {str(row[0]) for row in con.execute("select record_id from pool").fetchall()}
    found = []
    for here in (pool - {"three"}, pool, pool - {"three"}):
        use_records(con, here)
        update = update_edges(con, model, "records", "edges", budget=BLOCKING, probability_floor=1e-9)
        assert update.full == (not found)
        score(con, model, "records", "full_edges", budget=BLOCKING, probability_floor=1e-9)
        assert rows_of(con, "edges") == rows_of(con, "full_edges")
        found.append(con.execute("select record_id_l from edges where record_id_r = 'two'").fetchall())
    assert found == [[("one",)], [], [("one",)]]
