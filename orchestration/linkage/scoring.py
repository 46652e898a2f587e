"""Scoring: the edges between records, by a pinned model.

What belongs here: making candidate pairs, having Splink compare them, and weighing the
outcomes with the model's kinds. What does not: training and clustering.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.blocking import PAIRS, Budget, make_pairs
from orchestration.linkage.comparisons import add_value_classes
from orchestration.linkage.components import connected_components
from orchestration.linkage.features import FEATURES, FeatureTable, build_features
from orchestration.linkage.hot import IDENTICAL, fold_identical, remove_hot_values
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.sql import columns_of, literal, quoted, scalar_int

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

PROBABILITY_FLOOR = 0.01
# Splink's own weight knows nothing of kinds; pairs this far below zero never come back up.
_FIRST_WEIGHT_FLOOR = -12.0
_WEIGHED = "weighed_pairs"
# The least weight of two records that say exactly the same and say enough to be one person.
_CERTAIN_COPY = 8.0
# The pairs of larger components are too many to complete, and clustering cuts them anyway.
_LARGEST_CLOSED = 80


def score(
    con: duckdb.DuckDBPyConnection,
    model: LinkageModel,
    records: str,
    edges: str,
    *,
    budget: Budget | None = None,
    probability_floor: float = PROBABILITY_FLOOR,
) -> None:
    """Create the table `edges` of the pairs that may be one person.

    Columns: `record_id_l`, `record_id_r` (VARCHAR, l before r), `match_weight` (log2 of the odds),
    `match_probability`, `model_version`, `identical` (BOOLEAN: the records say exactly the same), and
    one `gamma_<comparison>` (TINYINT; -1 missing, 0 no
    agreement, upwards) per comparison of the model. Pairs below `probability_floor` are left out,
    except between records that other pairs connect: what speaks against a cluster belongs to its
    explanation. Records that say exactly the same are joined to one of them instead of to each other.

    Raises LinkageError for null or repeated ids, CandidateBudgetError past the pair budget.
    """
    with prepared(con, model, records) as features:
        make_pairs(features.con, model.keys if model.comparisons else (), budget or Budget())
        features.con.execute(f"insert into {PAIRS} select representative, rid from {IDENTICAL}")
        weigh_pairs(features.con, model, probability_floor)
        _close_components(features, model)
        _deliver(con, features, model, edges)


@contextmanager
def prepared(con: duckdb.DuckDBPyConnection, model: LinkageModel, records: str) -> Iterator[FeatureTable]:
    """The features of records as a model wants them, identical records folded."""
    features = build_features(con, records)
    try:
        work = features.con
        for missing in sorted(set(model.extras) - set(features.extras)):
            work.execute(f"alter table {FEATURES} add column {quoted(missing)} varchar")
        remove_hot_values(work)
        add_value_classes(work, model.classes)
        fold_identical(work)
        yield features
    finally:
        features.con.close()


def _close_components(features: FeatureTable, model: LinkageModel) -> None:
    """Weigh the pairs that blocking missed, or the floor dropped, inside components.

    A component is what edges above the threshold connect; whether it is one person depends on
    all of its pairs.
    """
    import pyarrow as pa

    con = features.con
    strong = con.execute(f"select l, r from {_WEIGHED} where match_weight >= {model.threshold_weight}").to_arrow_table()
    if strong.num_rows == 0:
        return
    labels = connected_components(
        features.records,
        strong["l"].to_numpy().astype(np.int64),
        strong["r"].to_numpy().astype(np.int64),
    )
    con.register(
        "components_arrow",
        pa.table({"rid": np.arange(features.records, dtype=np.int32), "component": labels}),
    )
    con.execute(f"drop table {PAIRS}")
    con.execute(f"alter table {_WEIGHED} rename to found_pairs")
    con.execute(
        f"""
        create table {PAIRS} as
        with components as (
            select component from components_arrow
            group by component having count(*) between 3 and {_LARGEST_CLOSED}
        ),
        members as (
            select rid, component from components_arrow
            where
                component in (select component from components)
                and rid not in (select rid from {IDENTICAL})
        )
        select l.rid as l, r.rid as r
        from members as l
        inner join members as r on l.component = r.component and l.rid < r.rid
        anti join found_pairs as found on l.rid = found.l and r.rid = found.r
        """
    )
    con.unregister("components_arrow")
    weigh_pairs(con, model, probability_floor=None)
    con.execute(f"insert into {_WEIGHED} by name select * from found_pairs")
    con.execute("drop table found_pairs")


def weigh_pairs(con: duckdb.DuckDBPyConnection, model: LinkageModel, probability_floor: float | None) -> None:
    """Create `weighed_pairs` (`l`, `r`, outcomes, `match_weight`) from `candidate_pairs`.

    Without a floor, every pair is kept.
    """
    import pyarrow as pa

    gammas = [f"gamma_{comparison.name}" for comparison in model.comparisons]
    if not gammas or scalar_int(con, f"select count(*) from {PAIRS}") == 0:
        columns = "".join(f", {quoted(gamma)} tinyint" for gamma in gammas)
        con.execute(f"create or replace table {_WEIGHED} (l integer, r integer, match_weight double{columns})")
        return
    compared = _compare_with_splink(con, model, everything=probability_floor is None)
    parts = [quoted(f"mw_{comparison.name}") for comparison in model.comparisons]
    patterns = con.execute(f"select distinct {', '.join(parts)} from {compared} order by all").to_arrow_table()
    outcomes = _outcomes(model, patterns)
    decoded = {name: pa.array(outcomes[:, i], pa.int8()) for i, name in enumerate(gammas)}
    weights = np.round(model.mixture.weight(outcomes), 6)
    for name, column in {**decoded, "kinds_weight": pa.array(weights)}.items():
        patterns = patterns.append_column(name, column)
    con.register("patterns_arrow", patterns)
    floor = -1e9 if probability_floor is None else _log_odds(probability_floor)
    same = " and ".join(f"pairs.{part} = patterns.{part}" for part in parts)
    con.execute(
        f"""
        create or replace table {_WEIGHED} as
        select
            pairs.rid_l as l, pairs.rid_r as r,
            case when identical.certain then greatest(patterns.kinds_weight, {_CERTAIN_COPY})
                else patterns.kinds_weight end as match_weight,
            {", ".join(f"patterns.{quoted(gamma)}" for gamma in gammas)}
        from {compared} as pairs
        inner join patterns_arrow as patterns on {same}
        left join {IDENTICAL} as identical
            on pairs.rid_r = identical.rid and pairs.rid_l = identical.representative
        where patterns.kinds_weight >= {floor} or identical.certain
        """
    )
    con.unregister("patterns_arrow")
    con.execute(f"drop table {compared}")


def _outcomes(model: LinkageModel, patterns: pa.Table) -> NDArray[np.int64]:
    """Outcome numbers from Splink's partial match weights, which differ from level to level.

    Splink keeps the weight of each comparison, or else every value compared; the weight is the
    smaller by far, and names the level.
    """
    columns = []
    for position, weights in enumerate(model.level_weights()):
        known = np.array([0.0, *weights])
        found = np.asarray(patterns.column(position).to_numpy(), dtype=float)
        nearest = np.abs(found[:, None] - known[None, :])
        columns.append(nearest.argmin(axis=1) - 1)
    return np.array(columns, dtype=np.int64).T.reshape(patterns.num_rows, len(columns))


def _log_odds(probability: float) -> float:
    return float(np.log2(probability / (1 - probability)))


def _compare_with_splink(con: duckdb.DuckDBPyConnection, model: LinkageModel, *, everything: bool) -> str:
    """Have Splink compare the candidate pairs; returns the name of its table."""
    from splink import DuckDBAPI, Linker

    for name in ("splink", "splink.internals"):
        logging.getLogger(name).setLevel(logging.ERROR)
    con.execute(
        f"""
        create or replace table registered_pairs as
        select '0' as match_key, l as join_key_l, r as join_key_r from {PAIRS}
        """
    )
    # Identical records were folded away; their comparison is the one of a record with itself.
    con.execute(
        f"""
        create or replace view compared_records as
        select * from {FEATURES}
        union all
        select {IDENTICAL}.rid, f.* exclude (rid)
        from {IDENTICAL} inner join {FEATURES} as f on {IDENTICAL}.representative = f.rid
        """
    )
    api = DuckDBAPI(connection=con)
    settings = model.splink_settings()
    settings["blocking_rules_to_generate_predictions"] = []
    linker = Linker(api.register("compared_records"), settings)
    linker.table_management.register_blocked_pairs_for_predict(api.register("registered_pairs"))
    predicted = linker.inference.predict(
        threshold_match_weight=None if everything else _FIRST_WEIGHT_FLOOR, warning_mode="never"
    )
    return str(predicted.physical_name)


def _deliver(con: duckdb.DuckDBPyConnection, features: FeatureTable, model: LinkageModel, edges: str) -> None:
    gammas = [quoted(name) for name in columns_of(features.con, _WEIGHED) if name.startswith("gamma_")]
    arrow = features.con.execute(
        f"""
        select
            first_ids.record_id as record_id_l, second_ids.record_id as record_id_r,
            pairs.match_weight,
            1 / (1 + pow(2, -pairs.match_weight)) as match_probability,
            {literal(model.version)} as model_version,
            identical.rid is not null as identical
            {"".join(f", pairs.{gamma}" for gamma in gammas)}
        from {_WEIGHED} as pairs
        inner join record_ids as first_ids on pairs.l = first_ids.rid
        inner join record_ids as second_ids on pairs.r = second_ids.rid
        left join {IDENTICAL} as identical
            on pairs.r = identical.rid and pairs.l = identical.representative
        order by pairs.l, pairs.r
        """
    ).to_arrow_table()
    con.register("kindred_edges_arrow", arrow)
    try:
        con.execute(f"create or replace table {edges} as select * from kindred_edges_arrow")
    finally:
        con.unregister("kindred_edges_arrow")
