"""Data contracts, and what follows from them: readers, typed loading, dbt sources.

Belongs here: everything between a delivered file and its typed raw rows. Does not belong here: judging rows (quality)
and mapping them to the canonical shape (dbt staging).
"""
