"""The one Dagster code location: everything that `defs/` declares."""

from pathlib import Path

import dagster as dg

from orchestration.config import keep_to_owner, load_settings
from orchestration.notify import telling


@dg.definitions
def defs() -> dg.Definitions:
    """Load `defs/`: assets, checks, jobs, the schedule, the sensor, and their resources."""
    settings = load_settings()
    keep_to_owner()
    # Dagster loads this again and again, and without it no sensor is there to tell of anything.
    with telling(settings, None, once=settings.dagster_home / "told_of_loading"):
        return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
