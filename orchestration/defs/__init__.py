"""Dagster's view of Kindred: assets, checks, jobs, schedules, sensors. Thin: each body calls a capability package."""
