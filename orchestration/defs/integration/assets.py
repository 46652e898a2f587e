"""Staging and integration models of dbt."""

import dagster as dg

from orchestration.defs.resources import dbt_stage


@dg.definitions
def integration() -> dg.Definitions:
    """Everything under models/staging and models/integration."""
    return dg.Definitions(assets=[dbt_stage("integration", "fqn:kindred.staging fqn:kindred.integration")])
