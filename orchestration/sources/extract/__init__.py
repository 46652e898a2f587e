"""Connectors: what is new on a source's server for a load date, landed as files before the loader reads them.

Belongs here: asking files, databases and REST APIs, the position up to which each landed day has read, and landing a
day as a whole. Does not belong here: reading landed files into `raw` (see `sources.load`) and judging them.
"""

from orchestration.sources.extract.errors import ExtractError, UnreachableError
from orchestration.sources.extract.landing import LandedDay, can_take, is_asked, land_day

__all__ = ["ExtractError", "LandedDay", "UnreachableError", "can_take", "is_asked", "land_day"]
