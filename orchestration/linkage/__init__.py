"""Record linkage: which records belong to one person, without labels.

What belongs here: features, comparisons, blocking, training, scoring, clustering, evaluation.
What does not: stable customer ids and judgements (orchestration.identity), standardising.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestration.linkage.errors import CandidateBudgetError, LinkageError, ModelError
from orchestration.linkage.evaluation import ClusterScores, evaluate, evaluate_file

if TYPE_CHECKING:
    from orchestration.linkage.clustering import cluster
    from orchestration.linkage.incremental import update_edges
    from orchestration.linkage.model import LinkageModel
    from orchestration.linkage.reclustering import update_clusters
    from orchestration.linkage.resolving import resolve_files
    from orchestration.linkage.scoring import score
    from orchestration.linkage.training import train

_LATE = {
    "LinkageModel": "model",
    "cluster": "clustering",
    "resolve_files": "resolving",
    "score": "scoring",
    "train": "training",
    "update_clusters": "reclustering",
    "update_edges": "incremental",
}

__all__ = [
    "CandidateBudgetError",
    "ClusterScores",
    "LinkageError",
    "LinkageModel",
    "ModelError",
    "cluster",
    "evaluate",
    "evaluate_file",
    "resolve_files",
    "score",
    "train",
    "update_clusters",
    "update_edges",
]


def __getattr__(name: str) -> Any:
    """Import what needs numpy only when it is asked for, so that the command line starts fast."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
