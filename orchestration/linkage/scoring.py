"""Scoring: the edges between records, by a pinned model.

What belongs here: making candidate pairs, having Splink compare them, and weighing the
outcomes with the model's kinds. What does not: training and clustering.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.blocking import PAIRS, Budget, Proposal, make_pairs
from orchestration.linkage.comparisons import add_value_classes
from orchestration.linkage.components import connected_components
from orchestration.linkage.features import FEATURES
from orchestration.linkage.hot import IDENTICAL, fold_identical, remove_hot_values
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.sql import columns_of, literal, quoted, scalar_int
from orchestration.linkage.workspace import FeatureTable, build_features, workspace

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from numpy.typing import NDArray

PROBABILITY_FLOOR = 0.01
# Splink's own weight knows nothing of kinds; pairs this far below zero never come back up.
_FIRST_WEIGHT_FLOOR = -12.0
WEIGHED = "weighed_pairs"
FOUND = "found_pairs"
SCORED = "scored_edges"
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
    `match_probability`, `model_version`, `identical` (BOOLEAN: the records say exactly the same),
    `closing` (BOOLEAN: compared only because other pairs connect the two records), and one
    `gamma_<comparison>` (TINYINT; -1 missing, 0 no agreement, upwards) per comparison of the model.
    Pairs below `probability_floor` are left out, except between records that other pairs connect:
    what speaks against a cluster belongs to its explanation. Records that say exactly the same are joined to one of them instead of to each other.

    Raises LinkageError for null or repeated ids, CandidateBudgetError past the pair budget.
    """
    with prepared(con, model, records) as features:
        score_prepared(features, model, budget or Budget(), probability_floor)
        deliver(features.con, model, SCORED)
        con.execute(f"create or replace table {edges} as select * from {features.database}.main.{SCORED}")


@contextmanager
def prepared(con: duckdb.DuckDBPyConnection, model: LinkageModel, records: str) -> Iterator[FeatureTable]:
    """The features of records as a model wants them, identical records folded."""
    with workspace(con) as work:
        features = build_features(con, work, records)
        prepare(features.con, model)
        add_value_classes(features.con, model.classes)
        yield features


def prepare(con: duckdb.DuckDBPyConnection, model: LinkageModel) -> None:
    """Bring the table `features` to what is compared: without hot values, identical records folded."""
    add_missing_extras(con, model)
    remove_hot_values(con)
    fold_identical(con)


def add_missing_extras(con: duckdb.DuckDBPyConnection, model: LinkageModel) -> None:
    """Give the table `features` the further columns that the model knows and these records do not have."""
    for missing in sorted(set(model.extras) - set(columns_of(con, FEATURES))):
        con.execute(f"alter table {FEATURES} add column {quoted(missing)} varchar")


def score_prepared(features: FeatureTable, model: LinkageModel, budget: Budget, floor: float) -> Proposal:
    """Create `found_pairs`, `weighed_pairs` (of closed components) and `components` of prepared features."""
    con = features.con
    proposal = make_pairs(con, model.keys if model.comparisons else (), model.caps, budget)
    weigh_pairs(con, model, floor)
    weigh_copies(con, model, floor, IDENTICAL)
    con.execute(f"alter table {WEIGHED} rename to {FOUND}")
    con.execute("create table members as select rid from record_ids")
    label_components(con, f"select l, r from {FOUND} where match_weight >= {model.threshold_weight}")
    propose_closing_pairs(con)
    weigh_pairs(con, model, probability_floor=None)
    return proposal


def label_components(con: duckdb.DuckDBPyConnection, strong: str) -> None:
    """Create `components` (`rid`, `component`: the smallest rid) of the table `members` (`rid`).

    `strong` is a query of the pairs (`l`, `r`) that connect them.
    """
    import pyarrow as pa

    members = con.execute("select rid from members order by rid").to_arrow_table()["rid"].to_numpy().astype(np.int64)
    pairs = con.execute(strong).to_arrow_table()
    left, right = (np.searchsorted(members, pairs[side].to_numpy().astype(np.int64)) for side in "lr")
    labels = connected_components(len(members), left, right)
    con.register(
        "components_arrow",
        pa.table({"rid": members.astype(np.int32), "component": members[labels].astype(np.int32)}),
    )
    con.execute("create or replace table components as select * from components_arrow")
    con.unregister("components_arrow")


def propose_closing_pairs(con: duckdb.DuckDBPyConnection, found: str = FOUND) -> None:
    """Create `candidate_pairs` of the pairs that blocking missed, or the floor dropped, inside `components`.

    A component is what edges above the threshold connect; whether it is one person depends on
    all of its pairs.
    """
    con.execute(
        f"""
        create or replace table {PAIRS} as
        with chosen as (
            select component from components
            group by component having count(*) between 3 and {_LARGEST_CLOSED}
        ),
        differing as (
            select rid, component from components
            where
                component in (select component from chosen)
                and rid not in (select rid from {IDENTICAL})
        )
        select l.rid as l, r.rid as r
        from differing as l
        inner join differing as r on l.component = r.component and l.rid < r.rid
        anti join {found} as found on l.rid = found.l and r.rid = found.r
        """
    )


def weigh_pairs(con: duckdb.DuckDBPyConnection, model: LinkageModel, probability_floor: float | None) -> None:
    """Create `weighed_pairs` (`l`, `r`, outcomes, `match_weight`) from `candidate_pairs`.

    Without a floor, every pair is kept.
    """
    import pyarrow as pa

    gammas = [f"gamma_{comparison.name}" for comparison in model.comparisons]
    if not gammas or scalar_int(con, f"select count(*) from {PAIRS}") == 0:
        columns = "".join(f", {quoted(gamma)} tinyint" for gamma in gammas)
        con.execute(f"create or replace table {WEIGHED} (l integer, r integer, match_weight double{columns})")
        return
    if probability_floor is None:
        _weigh_all(con, model)
        return
    compared = _compare_with_splink(con, model)
    parts = [quoted(f"mw_{comparison.name}") for comparison in model.comparisons]
    patterns = con.execute(f"select distinct {', '.join(parts)} from {compared} order by all").to_arrow_table()
    outcomes = _outcomes(model, patterns)
    decoded = {name: pa.array(outcomes[:, i], pa.int8()) for i, name in enumerate(gammas)}
    weights = np.round(model.mixture.weight(outcomes), 6)
    for name, column in {**decoded, "kinds_weight": pa.array(weights)}.items():
        patterns = patterns.append_column(name, column)
    con.register("patterns_arrow", patterns)
    same = " and ".join(f"pairs.{part} = patterns.{part}" for part in parts)
    con.execute(
        f"""
        create or replace table {WEIGHED} as
        select
            pairs.rid_l as l, pairs.rid_r as r, patterns.kinds_weight as match_weight,
            {", ".join(f"patterns.{quoted(gamma)}" for gamma in gammas)}
        from {compared} as pairs
        inner join patterns_arrow as patterns on {same}
        where patterns.kinds_weight >= {_log_odds(probability_floor)}
        """
    )
    con.unregister("patterns_arrow")
    con.execute(f"drop table {compared}")


def _weigh_all(con: duckdb.DuckDBPyConnection, model: LinkageModel) -> None:
    """`weighed_pairs` of every candidate, by the same conditions in one statement.

    The pairs that close components are few: what Splink prepares and prunes for any number of pairs costs more than
    comparing these.
    """
    names = compared_columns(model, columns_of(con, FEATURES))
    sides = ", ".join(f"{side}.{quoted(name)} as {quoted(f'{name}_{side}')}" for side in "lr" for name in names)
    con.execute(
        f"""
        create or replace table compared_pairs as
        with sides as (
            select pairs.l, pairs.r{", " if sides else ""}{sides}
            from {PAIRS} as pairs
            inner join {FEATURES} as l on pairs.l = l.rid
            inner join {FEATURES} as r on pairs.r = r.rid
        )
        select l, r, {_outcome_columns(model)} from sides
        """
    )
    gammas = _weigh_patterns(con, model, "compared_pairs")
    con.execute(
        f"""
        create or replace table {WEIGHED} as
        select
            pairs.l, pairs.r, patterns.kinds_weight as match_weight,
            {", ".join(f"patterns.{gamma}" for gamma in gammas)}
        from compared_pairs as pairs
        inner join patterns_arrow as patterns on {" and ".join(f"pairs.{g} = patterns.{g}" for g in gammas)}
        """
    )
    con.unregister("patterns_arrow")
    con.execute("drop table compared_pairs")


def _outcome_columns(model: LinkageModel) -> str:
    """SQL: the outcome of each comparison over features with the suffixes _l and _r."""
    return ", ".join(
        f"({comparison.outcome_sql()})::tinyint as {quoted(f'gamma_{comparison.name}')}"
        for comparison in model.comparisons
    )


def _weigh_patterns(con: duckdb.DuckDBPyConnection, model: LinkageModel, compared: str) -> list[str]:
    """Register `patterns_arrow`: the distinct outcomes of a table, with their `kinds_weight`; returns their columns."""
    import pyarrow as pa

    gammas = [quoted(f"gamma_{comparison.name}") for comparison in model.comparisons]
    patterns = con.execute(f"select distinct {', '.join(gammas)} from {compared} order by all").to_arrow_table()
    rows = np.array([column.to_numpy() for column in patterns.columns], dtype=np.int64).T
    weights = np.round(model.mixture.weight(rows.reshape(patterns.num_rows, len(gammas))), 6)
    con.register("patterns_arrow", patterns.append_column("kinds_weight", pa.array(weights)))
    return gammas


def weigh_copies(con: duckdb.DuckDBPyConnection, model: LinkageModel, probability_floor: float, copies: str) -> None:
    """Add the pairs of `copies` (`rid`, `representative`, `certain`) to `weighed_pairs`.

    Records that say the same compare as a record with itself, which is compared once. The weight
    of certain ones is no less than that of a copy, however little a model makes of agreement.
    """
    if not model.comparisons:
        return
    names = [name for name in columns_of(con, FEATURES) if name != "rid"]
    sides = ", ".join(f"f.{quoted(name)} as {quoted(f'{name}_{side}')}" for side in "lr" for name in names)
    con.execute(
        f"""
        create or replace table compared_copies as
        with sides as (
            select f.rid, {sides} from {FEATURES} as f
            where f.rid in (select representative from {copies})
        )
        select rid, {_outcome_columns(model)} from sides
        """
    )
    gammas = _weigh_patterns(con, model, "compared_copies")
    con.execute(
        f"""
        insert into {WEIGHED} by name
        select
            copies.representative as l, copies.rid as r,
            case when copies.certain then greatest(patterns.kinds_weight, {_CERTAIN_COPY})
                else patterns.kinds_weight end as match_weight,
            {", ".join(f"patterns.{gamma}" for gamma in gammas)}
        from {copies} as copies
        inner join compared_copies as compared on copies.representative = compared.rid
        inner join patterns_arrow as patterns on {" and ".join(f"compared.{g} = patterns.{g}" for g in gammas)}
        where copies.certain or patterns.kinds_weight >= {_log_odds(probability_floor)}
        """
    )
    con.unregister("patterns_arrow")
    con.execute("drop table compared_copies")


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


def _compare_with_splink(con: duckdb.DuckDBPyConnection, model: LinkageModel) -> str:
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
    api = DuckDBAPI(connection=con)
    settings = model.splink_settings()
    settings["blocking_rules_to_generate_predictions"] = []
    # Splink's check of the settings parses the SQL of every level, which takes longer than comparing a day's pairs.
    linker = Linker(api.register(_narrow_features(con, model)), settings, validate_settings=False)
    linker.table_management.register_blocked_pairs_for_predict(api.register("registered_pairs"))
    predicted = linker.inference.predict(threshold_match_weight=_FIRST_WEIGHT_FLOOR, warning_mode="never")
    return str(predicted.physical_name)


def _narrow_features(con: duckdb.DuckDBPyConnection, model: LinkageModel) -> str:
    """A view of the features that the comparisons name: Splink copies each column of its input twice."""
    used = ["rid", *compared_columns(model, columns_of(con, FEATURES))]
    con.execute(
        f"create or replace view compared_features as select {', '.join(quoted(name) for name in used)} from {FEATURES}"
    )
    return "compared_features"


def compared_columns(model: LinkageModel, columns: Iterable[str]) -> list[str]:
    """Those of the columns of features that the comparisons name."""
    conditions = " ".join(comparison.outcome_sql() for comparison in model.comparisons)
    named = set(re.findall(r"\w+", conditions))
    return [name for name in columns if {f"{name}_l", f"{name}_r"} & named]


def deliver(con: duckdb.DuckDBPyConnection, model: LinkageModel, target: str) -> None:
    """Create `target` in the private database: `found_pairs` and `weighed_pairs` as edges between record ids."""
    gammas = [quoted(f"gamma_{comparison.name}") for comparison in model.comparisons]
    con.execute(
        f"""
        create or replace table {target} as
        with pairs as (
            select *, false as closing from {FOUND}
            union all by name
            select *, true as closing from {WEIGHED}
        )
        select
            first_ids.record_id as record_id_l, second_ids.record_id as record_id_r,
            pairs.match_weight,
            1 / (1 + pow(2, -pairs.match_weight)) as match_probability,
            {literal(model.version)} as model_version,
            identical.rid is not null as identical,
            pairs.closing
            {"".join(f", pairs.{gamma}" for gamma in gammas)}
        from pairs
        inner join record_ids as first_ids on pairs.l = first_ids.rid
        inner join record_ids as second_ids on pairs.r = second_ids.rid
        left join {IDENTICAL} as identical
            on pairs.r = identical.rid and pairs.l = identical.representative
        order by pairs.l, pairs.r
        """
    )
