"""Analysis models of dbt."""

import dagster as dg

from orchestration.defs.resources import dbt_stage


@dg.definitions
def analysis() -> dg.Definitions:
    """Everything under models/analysis."""
    return dg.Definitions(assets=[dbt_stage("analysis", "fqn:kindred.analysis")])
