"""Taking people out of trained linkage models.

Belongs here: dropping from a model's value classes what only erased people had, and the succession from the model to the
one without it. Does not belong here: training and scoring.

A model lists how common values are. One that only an erased person had goes. The version is a hash of the model's content,
so the model without it is another version; it scores everybody else as before, because nobody else has that value. It
takes the old one's place, its report says whom it succeeds, and the old one's folder is deleted.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.sources.names import quote

if TYPE_CHECKING:
    import duckdb

    from orchestration.linkage import LinkageModel

SUCCEEDS = "succeeds"


def person_values(con: "duckdb.DuckDBPyConnection", records: str, features: set[str]) -> dict[str, set[str]]:
    """The values of the records in the form in which models list them, by feature."""
    from orchestration.linkage.features import FEATURES
    from orchestration.linkage.workspace import build_features, workspace

    with workspace(con) as work:
        table = build_features(con, work, records)
        present = {row[0] for row in table.con.execute(f"describe {FEATURES}").fetchall()}
        return {
            name: {
                str(value)
                for (value,) in table.con.execute(
                    f"select distinct {quote(name)}::varchar from {FEATURES} where {quote(name)} is not null"
                ).fetchall()
            }
            for name in sorted(features & present)
        }


def kept_models(models: Path) -> "dict[Path, LinkageModel]":
    """Every trained model that lies there and can be read, by its folder. Raises ModelError for the one in use."""
    from orchestration.linkage import LinkageModel
    from orchestration.linkage.errors import ModelError
    from orchestration.linkage.registry import current_model

    current_model(models)
    found = {}
    for path in _folders(models):
        try:
            found[path] = LinkageModel.load(path)
        except ModelError:
            continue
    return found


def drop_unreadable(models: Path) -> int:
    """Delete models that this version of Kindred cannot read: they serve nothing, and nobody can say who is in them."""
    readable = kept_models(models)
    doomed = [path for path in _folders(models) if path not in readable]
    for path in doomed:
        shutil.rmtree(path)
    return len(doomed)


def _folders(models: Path) -> list[Path]:
    return [path for path in sorted((models / "linkage").glob("*")) if path.is_dir() and (path / "model.json").exists()]


def listed_features(models: "Mapping[Path, LinkageModel]") -> set[str]:
    """The features whose values the models list."""
    return {feature for model in models.values() for feature in model.classes.classes}


def redact_models(models: Path, erased: Mapping[str, set[str]], held: Mapping[str, set[str]]) -> dict[str, str]:
    """Put a successor in the place of each model that lists a value of the erased which nobody else has.

    Args:
        erased: values of the erased people, by feature.
        held: values of everybody else, by feature.

    Returns:
        Old version to new one.
    """
    from orchestration.linkage.registry import current_model, put_in_use

    current = current_model(models)
    succession: dict[str, str] = {}
    for folder, model in kept_models(models).items():
        classes = {
            feature: {
                value: number
                for value, number in values.items()
                if value not in erased.get(feature, set()) or value in held.get(feature, set())
            }
            for feature, values in model.classes.classes.items()
        }
        if all(len(classes[feature]) == len(values) for feature, values in model.classes.classes.items()):
            continue
        report = {**model.report, SUCCEEDS: model.version, "reason": "values of erased people were taken out"}
        successor = replace(model, classes=replace(model.classes, classes=classes), report=report)
        heir = models / "linkage" / successor.version
        successor.save(heir)
        # What else lies there has no values of people.
        for path in folder.iterdir():
            if not (heir / path.name).exists():
                shutil.copy2(path, heir / path.name)
        if current is not None and current.version == model.version:
            put_in_use(successor.version, models)
        shutil.rmtree(folder)
        succession[model.version] = successor.version
    return succession
