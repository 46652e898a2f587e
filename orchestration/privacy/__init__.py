"""Consent, erasure, access requests, tombstones, retention and pseudonyms: everything that guards the people in the data.

Belongs here: the rules and the machinery of privacy, usable without Dagster. Does not belong here: which columns a mart
publishes (data in the dbt models) or the writing of published files (`orchestration.publishing`).
"""
