"""Blocking recall by rules, against listing every pair."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import duckdb
from linkage_people import load_population, population

from orchestration.linkage import train
from orchestration.linkage.blocking import PAIRS, Budget, make_pairs
from orchestration.linkage.recall import blocking_recall
from orchestration.linkage.scoring import prepared

BLOCKING = Budget(every_pair_up_to=0)


def test_every_rule_is_worth_what_leaving_it_out_costs(con: duckdb.DuckDBPyConnection) -> None:
    load_population(con, population(40, seed=4), seed=4)
    con.execute("create table again as select * from records order by record_id limit 5")
    con.execute(
        "insert into records by name select record_id || ':again' as record_id, * exclude (record_id) from again"
    )
    con.execute(
        "insert into truth select record_id || ':again', person_id from truth semi join again using (record_id)"
    )
    model = train(con, "records", budget=BLOCKING)
    keys = (("email",), ("phone",), ("family", "birth"), ("given", "family", "postcode"))
    model = replace(model, keys=keys, caps=(25, 3, 25, 25))

    found = blocking_recall(con, model, "records", "truth", budget=BLOCKING)

    truth = dict(con.execute("select record_id, person_id from truth").fetchall())
    with prepared(con, model, "records") as features:
        make_pairs(features.con, model.keys, model.caps, BLOCKING)
        ids = dict(features.con.execute("select rid, record_id from record_ids").fetchall())
        folded = dict(features.con.execute("select rid, representative from identical_records").fetchall())
        pairs = set(features.con.execute(f"select l, r from {PAIRS}").fetchall())
    numbers = sorted(ids)
    same = [(a, b) for a, b in combinations(numbers, 2) if truth[ids[a]] == truth[ids[b]]]
    stands = [tuple(sorted((folded.get(a, a), folded.get(b, b)))) for a, b in same]
    assert found.true_pairs == len(same)
    assert found.identical == sum(a == b for a, b in stands) >= 5
    assert found.proposed == sum(a == b or (a, b) in pairs for a, b in stands)
    assert 0.5 < found.recall < 1
    assert [rule.alone for rule in found.rules] == sorted((rule.alone for rule in found.rules), reverse=True)
    for rule in found.rules:
        rest = [number for number, key in enumerate(keys) if key != rule.key]
        fewer = replace(model, keys=tuple(keys[n] for n in rest), caps=tuple(model.caps[n] for n in rest))
        without = blocking_recall(con, fewer, "records", "truth", budget=BLOCKING)
        assert found.proposed - without.proposed == rule.alone <= rule.proposed

    whole = blocking_recall(con, model, "records", "truth")
    assert whole.every_pair and not whole.rules
    assert whole.recall == 1
    con.execute("delete from truth")
    assert blocking_recall(con, model, "records", "truth", budget=BLOCKING).recall == 1
