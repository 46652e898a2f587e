"""Outcomes of comparisons over pairs, counted by pattern.

What belongs here: the SQL that compares pairs for training. What does not: scoring, which is
Splink's, and estimation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from orchestration.linkage.comparisons import Comparison
from orchestration.linkage.features import FEATURES
from orchestration.linkage.sql import columns_of, quoted

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray


def count_patterns(
    con: duckdb.DuckDBPyConnection, comparisons: Sequence[Comparison], pairs: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Outcome patterns of the pairs (`l`, `r`, `weight`) and the weight of each.

    Returns patterns by comparisons (-1 missing, 0 `else`, upwards) and one weight per pattern,
    in a stable order.
    """
    names = columns_of(con, FEATURES)
    sides = ", ".join(f"{side}.{quoted(name)} as {quoted(name + '_' + side)}" for side in "lr" for name in names)
    outcomes = ", ".join(
        f"({comparison.outcome_sql()})::tinyint as o{position}" for position, comparison in enumerate(comparisons)
    )
    table = con.execute(
        f"""
        with sides as (
            select {sides}, pairs.weight
            from {pairs} as pairs
            inner join {FEATURES} as l on pairs.l = l.rid
            inner join {FEATURES} as r on pairs.r = r.rid
        ),
        compared as (select {outcomes}, weight from sides)
        select * exclude (weight), sum(weight)::double as weight
        from compared group by all order by all
        """
    ).to_arrow_table()
    columns = [table.column(position).to_numpy() for position in range(len(comparisons))]
    patterns = np.array(columns, dtype=np.int64).T.reshape(table.num_rows, len(comparisons))
    return patterns, table.column("weight").to_numpy().astype(float)
