"""A training report for people: what a model compares, what agreement is worth, what is expected.

What belongs here: the HTML page. What does not: the numbers, which the model holds.
"""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np

from orchestration.linkage.model import LinkageModel

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Linkage model {version}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #222 }}
table {{ border-collapse: collapse; margin: 1rem 0; width: 100% }}
td, th {{ border-bottom: 1px solid #ddd; padding: .25rem .5rem; text-align: left; vertical-align: top }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums }}
.bar {{ display: inline-block; height: .7rem; background: #3a7 }} .bar.less {{ background: #c54 }}
</style></head><body>
<h1>Linkage model {version}</h1>
<p>{summary}</p>
{first}
<h2>Kinds of pairs found</h2>
<p>Agreement that comes from sharing a home or an area is told apart from agreement of one person.</p>
<table><tr><th>kind</th><th>one person?</th><th>share of all pairs</th></tr>{kinds}</table>
<h2>What agreement says</h2>
<p>Weight: log2 of how much likelier the outcome is for one person than for two strangers.
+1 doubles the odds, -1 halves them.</p>
<table><tr><th>comparison</th><th>outcome</th><th>one person (m)</th><th>strangers (u)</th><th>weight</th><th></th></tr>
{levels}</table>
<h2>Candidate pairs</h2>
<table><tr><th>records that agree on</th><th>pairs counted</th><th>pairs kept</th><th>largest block</th></tr>{blocking}</table>
{more}
</body></html>
"""


def write_report(model: LinkageModel, path: Path, *, first: str = "", more: str = "") -> None:
    """Write the page, with further sections (HTML) at its start and end; it loads nothing from elsewhere."""
    mixture = model.mixture
    one = next(i for i, kind in enumerate(mixture.kinds) if kind.same and not kind.own)
    strangers = next(i for i, kind in enumerate(mixture.kinds) if not kind.same and not kind.own)
    rows = []
    for comparison, offset in zip(model.comparisons, mixture.offsets, strict=True):
        top = offset + len(comparison.levels) - 1
        for position, level in enumerate(comparison.levels):
            m, u = mixture.levels[one][top - position], mixture.levels[strangers][top - position]
            weight = float(np.log2(m / u))
            bar = f'<span class="bar{" less" if weight < 0 else ""}" style="width:{min(abs(weight), 25) * 5:.0f}px"></span>'
            name = html.escape(comparison.name) if position == 0 else ""
            rows.append(
                f"<tr><td>{name}</td><td>{html.escape(level.name)}</td><td class=n>{m:.4f}</td>"
                f"<td class=n>{u:.2e}</td><td class=n>{weight:+.1f}</td><td>{bar}</td></tr>"
            )
    kinds = [
        f"<tr><td>{html.escape(kind.name)}</td><td>{'yes' if kind.same else 'no'}</td><td class=n>{share:.3e}</td></tr>"
        for kind, share in zip(mixture.kinds, mixture.share, strict=True)
    ]
    blocking = [
        f"<tr><td>{html.escape(', '.join(entry['key']))}</td><td class=n>{entry['pairs_counted']:,}</td>"
        f"<td class=n>{entry['pairs_kept']:,}</td><td class=n>{entry['largest_block_kept']:,}</td></tr>"
        for entry in model.report.get("blocking", [])
    ]
    report = model.report
    summary = (
        f"{report.get('records', 0):,} records; about {report.get('expected_matches', 0):,.0f} matching pairs expected. "
        f"From a match weight of {model.threshold_weight:+.2f} a pair counts as one person; expected precision "
        f"{report.get('expected_precision', 1):.3f}, recall {report.get('expected_recall', 1):.3f} of the pairs compared."
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        _PAGE.format(
            version=html.escape(model.version),
            summary=summary,
            kinds="".join(kinds),
            levels="".join(rows),
            blocking="".join(blocking),
            first=first,
            more=more,
        ),
        encoding="utf-8",
    )
