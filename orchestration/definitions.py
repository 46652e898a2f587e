"""The one Dagster code location: everything that `defs/` declares."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """Load `defs/`: assets, checks, jobs, the schedule, the sensor, and their resources."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
