"""Record linkage: which records belong to one person, without labels."""

from __future__ import annotations

from orchestration.linkage.evaluate import ClusterScores, evaluate

__all__ = ["ClusterScores", "evaluate"]
