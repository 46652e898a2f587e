"""The linkage model as an artefact.

What belongs here: what a trained model consists of, its version, saving and loading it, and its
form as Splink settings. What does not: training it and applying it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from orchestration.linkage.comparisons import Comparison, Level, ValueClasses
from orchestration.linkage.errors import ModelError
from orchestration.linkage.mixture import Kind, Mixture

MODEL_FILE = "model.json"
SPLINK_FILE = "splink.json"
REPORT_FILE = "report.json"
# 2: block caps are pinned in the model.
_FORMAT = 2


@dataclass(frozen=True)
class LinkageModel:
    """A trained model: what is compared, what it is worth, and where the threshold lies.

    `threshold_weight` is the match weight (log2 of the odds) from which a pair counts as one
    person; `keys` the blocking keys and `caps` the largest block of each that is compared; `report`
    what training saw and expects.
    """

    comparisons: tuple[Comparison, ...]
    classes: ValueClasses
    mixture: Mixture
    keys: tuple[tuple[str, ...], ...]
    caps: tuple[int, ...]
    extras: tuple[str, ...]
    threshold_weight: float
    report: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def version(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of everything that scoring uses."""
        text = json.dumps(self._content(), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def save(self, folder: Path) -> None:
        """Write `model.json`, `splink.json` (for Splink's own charts) and `report.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (
            (MODEL_FILE, {"version": self.version, **self._content()}),
            (SPLINK_FILE, self.splink_settings()),
            (REPORT_FILE, {"version": self.version, **self.report}),
        ):
            text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
            (folder / name).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> LinkageModel:
        """Read a saved model. Raises ModelError when it is missing, broken or was edited."""
        path = folder / MODEL_FILE if folder.is_dir() else folder
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            report_path = path.parent / REPORT_FILE
            report = {}
            if path.name == MODEL_FILE and report_path.is_file():
                report = json.loads(report_path.read_text(encoding="utf-8"))
            model = cls._from_content(content, report)
        except FileNotFoundError as error:
            raise ModelError(f"{path}: no linkage model there; train one first") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{path}: not a linkage model of this version of Kindred ({error}); train it again"
            ) from error
        if model.version != content.get("version"):
            raise ModelError(
                f"{path}: its content does not fit its version {content.get('version')}; "
                "models are never edited, train a new one"
            )
        return model

    def _content(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "threshold_weight": self.threshold_weight,
            "extras": list(self.extras),
            "keys": [list(key) for key in self.keys],
            "caps": list(self.caps),
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "value_classes": {
                "classes": {name: dict(values) for name, values in self.classes.classes.items()},
                "last": dict(self.classes.last),
            },
            "kinds": [
                {
                    "name": kind.name,
                    "same": kind.same,
                    "agree": sorted(kind.agree),
                    "disagree": sorted(kind.disagree),
                    "free": sorted(kind.free),
                    "share": float(share),
                    "levels": [float(value) for value in levels],
                }
                for kind, share, levels in zip(self.mixture.kinds, self.mixture.share, self.mixture.levels, strict=True)
            ],
        }

    @classmethod
    def _from_content(cls, content: dict[str, Any], report: dict[str, Any]) -> LinkageModel:
        if content["format"] != _FORMAT:
            raise ValueError(f"its format is {content['format']}, and {_FORMAT} is needed")
        comparisons = tuple(
            Comparison(
                name=entry["name"],
                present=entry["present"],
                levels=tuple(Level(**level) for level in entry["levels"]),
                trust=entry["trust"],
                unless=entry["unless"],
                u_else=entry["u_else"],
            )
            for entry in content["comparisons"]
        )
        sizes = [len(comparison.levels) for comparison in comparisons]
        kinds = content["kinds"]
        report.pop("version", None)
        return cls(
            comparisons=comparisons,
            classes=ValueClasses(**content["value_classes"]),
            mixture=Mixture(
                kinds=tuple(
                    Kind(k["name"], k["same"], frozenset(k["agree"]), frozenset(k["disagree"]), frozenset(k["free"]))
                    for k in kinds
                ),
                offsets=tuple(sum(sizes[:position]) for position in range(len(sizes))),
                share=np.array([k["share"] for k in kinds]),
                levels=np.array([k["levels"] for k in kinds]).reshape(len(kinds), sum(sizes)),
            ),
            keys=tuple(tuple(key) for key in content["keys"]),
            caps=tuple(int(cap) for cap in content["caps"]),
            extras=tuple(content["extras"]),
            threshold_weight=content["threshold_weight"],
            report=report,
        )

    def level_weights(self) -> list[list[float]]:
        """Splink's match weight of each level of each comparison, by outcome number.

        No two of one comparison are alike, nor is any zero (the weight of a missing value), so
        that a weight names its level.
        """
        m, u = self._splink_probabilities()
        return [
            [float(w) for w in np.log2(m[o : o + len(c.levels)] / u[o : o + len(c.levels)])]
            for c, o in zip(self.comparisons, self.mixture.offsets, strict=True)
        ]

    def _splink_probabilities(self) -> tuple[np.ndarray, np.ndarray]:
        same = np.array([kind.same for kind in self.mixture.kinds])
        m = _mean(self.mixture, same)
        u = _mean(self.mixture, ~same)
        for comparison, offset in zip(self.comparisons, self.mixture.offsets, strict=True):
            taken = [0.0]
            for position in range(offset, offset + len(comparison.levels)):
                while min(abs(np.log2(m[position] / u[position]) - w) for w in taken) < 1e-4:
                    m[position] *= 1.0003
                taken.append(float(np.log2(m[position] / u[position])))
        return m, u

    def splink_settings(self) -> dict[str, Any]:
        """The model as Splink settings: the kinds summed to one m and one u per level.

        Splink makes the comparisons and a first weight with them; the kinds then correct the
        weight for evidence that travels together.
        """
        mixture = self.mixture
        same = np.array([kind.same for kind in mixture.kinds])
        m, u = self._splink_probabilities()
        comparisons = []
        for comparison, offset in zip(self.comparisons, mixture.offsets, strict=True):
            top = offset + len(comparison.levels) - 1
            levels: list[dict[str, Any]] = [
                {
                    "sql_condition": comparison.missing_sql(),
                    "label_for_charts": "missing",
                    "is_null_level": True,
                }
            ]
            for position, level in enumerate(comparison.levels):
                levels.append(
                    {
                        "sql_condition": level.when or "ELSE",
                        "label_for_charts": level.name,
                        "m_probability": float(m[top - position]),
                        "u_probability": float(u[top - position]),
                    }
                )
            comparisons.append({"output_column_name": comparison.name, "comparison_levels": levels})
        return {
            "link_type": "dedupe_only",
            "unique_id_column_name": "rid",
            "probability_two_random_records_match": float(mixture.share[same].sum()),
            "retain_matching_columns": False,
            "retain_intermediate_calculation_columns": True,
            "blocking_rules_to_generate_predictions": [
                {"blocking_rule": " and ".join(f'l."{c}" = r."{c}"' for c in key)} for key in self.keys
            ],
            "comparisons": comparisons,
        }


def _mean(mixture: Mixture, chosen: np.ndarray) -> np.ndarray:
    share = mixture.share[chosen]
    return np.asarray(share @ mixture.levels[chosen] / share.sum())
