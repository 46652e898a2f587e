"""Cleans the values of customer records so that people can read them and linkage can match them.

What belongs here: one module per concept (names, e-mail, phone, address, dates, gender,
placeholders) and `standardise_records`, which applies them all. What does not: deciding which
records belong together, and picking golden values.
"""

from __future__ import annotations

from orchestration.standardise.errors import StandardiseError
from orchestration.standardise.records import DEFAULT_REGION, RECORD_COLUMNS, standardise_records

__all__ = ["DEFAULT_REGION", "RECORD_COLUMNS", "StandardiseError", "standardise_records"]
