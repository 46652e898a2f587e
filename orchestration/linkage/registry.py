"""Where trained linkage models lie, and which one is in use.

Belongs here: `<models>/linkage/<version>/` and the pointer to the model in use. Does not belong here: training.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.linkage.errors import LinkageError

if TYPE_CHECKING:
    import duckdb

    from orchestration.linkage import LinkageModel

_POINTER = "in_use"


def current_model(models: Path) -> "LinkageModel | None":
    """The model in use, or None when none was ever trained.

    Raises LinkageError when the pointer names a model that is not there.
    """
    from orchestration.linkage import LinkageModel

    pointer = models / "linkage" / _POINTER
    if not pointer.exists():
        return None
    version = pointer.read_text(encoding="utf-8").strip()
    folder = models / "linkage" / version
    if not folder.is_dir():
        raise LinkageError(
            f"the linkage model in use, {version}, is not in {folder.parent}. Restore that folder from a backup, or "
            f"delete {pointer} to train a first model anew (customers may then merge and split)."
        )
    return LinkageModel.load(folder)


def train_first_model(con: "duckdb.DuckDBPyConnection", records: str, models: Path) -> "LinkageModel":
    """Train a model on the records (standardised, one row per record), keep it and take it into use."""
    from orchestration.linkage import train

    model = train(con, records)
    model.save(models / "linkage" / model.version)
    put_in_use(model.version, models)
    return model


def put_in_use(version: str, models: Path) -> None:
    """Point at a kept model. The pointer is swapped, so that it never names half a version."""
    pointer = models / "linkage" / _POINTER
    beside = pointer.with_suffix(".new")
    beside.write_text(version + "\n", encoding="utf-8")
    beside.replace(pointer)
