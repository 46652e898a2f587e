"""Expectations that Great Expectations lacks, written as its own kind, so that they run and render as the others do."""
