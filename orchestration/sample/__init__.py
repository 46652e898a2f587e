"""A sample company: seeded daily landing files of a retailer, and the truth behind them.

Belongs here: everything that makes the sample. Does not belong here: anything that the pipeline uses on real data.
"""

from orchestration.sample.delivery import SampleError
from orchestration.sample.generate import SampleSummary, generate

__all__ = ["SampleError", "SampleSummary", "generate"]
