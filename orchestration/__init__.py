"""Kindred's Python package: the Dagster layer (`defs`) over capability packages that can be used and tested alone."""
