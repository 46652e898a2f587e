"""The page that is kept with each model: what it compares and expects, m and u, and what changed since the previous one.

Belongs here: the sections that only a kept model has. Does not belong here: the page itself (see `reporting`), numbers.
"""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np

from orchestration.linkage.comparing import LevelChange, level_changes, level_weights
from orchestration.linkage.model import LinkageModel
from orchestration.linkage.reporting import write_report

_ROW = 18
_BAR = 200
_LABEL = 330
# Probabilities below this are drawn as if they were it: the scale is logarithmic.
_LEAST = 1e-7


def write_model_report(model: LinkageModel, path: Path, previous: LinkageModel | None) -> None:
    """Write the page, with a comparison of weights when there is a previous model. It loads nothing from elsewhere."""
    sections = [levels_chart(model), _calibration(model), _weights(model, previous)]
    write_report(model, path, more="".join(sections))


def levels_chart(model: LinkageModel) -> str:
    """m and u of every outcome as bars on a logarithmic scale, in SVG."""
    weights = level_weights(model)
    if not weights:
        return ""
    rows = []
    for number, ((comparison, level), (m, u)) in enumerate(weights.items()):
        top = number * _ROW + 4
        label = html.escape(f"{comparison}: {level}")
        rows.append(f'<text x="{_LABEL - 8}" y="{top + 11}" text-anchor="end">{label}</text>')
        for value, offset, colour, name in ((m, 0, "#3a7", "m"), (u, 6, "#c54", "u")):
            rows.append(
                f'<rect x="{_LABEL}" y="{top + offset}" width="{_length(value):.1f}" height="5" fill="{colour}">'
                f"<title>{name} = {value:.3g}</title></rect>"
            )
    height = len(weights) * _ROW + 8
    return (
        "<h2>m and u</h2><p>How often each outcome is seen among pairs of one person (m, green) and among strangers "
        "(u, red); each sixth of the scale is a factor of about fourteen.</p>"
        f'<svg width="{_LABEL + _BAR + 10}" height="{height}" font-size="11" role="img" '
        f'aria-label="m and u of every outcome">{"".join(rows)}</svg>'
    )


def _length(value: float) -> float:
    return float(_BAR * (1 - np.log(max(min(value, 1.0), _LEAST)) / np.log(_LEAST)))


def _calibration(model: LinkageModel) -> str:
    found = model.report.get("calibration")
    if not found:
        return ""
    return (
        "<h2>Calibration by judgements</h2>"
        f"<p>{found['judged_pairs']:,} judged pairs, {found['must_link']:,} of them one person, moved every weight by "
        f"{found['shift_bits']:+.2f} bits. Expected precision before {found['expected_precision_before']:.4f}, after "
        f"{found['expected_precision_after']:.4f}; recall before {found['expected_recall_before']:.4f}, after "
        f"{found['expected_recall_after']:.4f}. The threshold went from {found['threshold_before']:+.2f} to "
        f"{found['threshold_after']:+.2f}, both on the calibrated scale.</p>"
    )


def _weights(model: LinkageModel, previous: LinkageModel | None) -> str:
    if previous is None:
        return ""
    rows = "".join(_weight_row(change) for change in level_changes(previous, model))
    return (
        f"<h2>Weights beside those of {html.escape(previous.version)}, the model in use at training</h2>"
        f"<p>Threshold {previous.threshold_weight:+.2f} there, {model.threshold_weight:+.2f} here. The outcomes that moved "
        "furthest come first.</p>"
        "<table><tr><th>comparison</th><th>outcome</th><th>there</th><th>here</th><th>change</th><th></th></tr>"
        f"{rows}</table>"
    )


def _weight_row(change: LevelChange) -> str:
    before, after = (("" if value is None else f"{value:+.2f}") for value in (change.before, change.after))
    less = " less" if change.change < 0 else ""
    bar = f'<span class="bar{less}" style="width:{min(abs(change.change), 25) * 5:.0f}px"></span>'
    return (
        f"<tr><td>{html.escape(change.comparison)}</td><td>{html.escape(change.level)}</td><td class=n>{before}</td>"
        f"<td class=n>{after}</td><td class=n>{change.change:+.2f}</td><td>{bar}</td></tr>"
    )
