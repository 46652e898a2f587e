"""A training report for people: what a model compares, what agreement is worth, what is expected.

What belongs here: the HTML page. What does not: the numbers, which the model holds.
"""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np

from orchestration.linkage.features import CATEGORY_PREFIX, EXTRA_PREFIX, IDENTIFIER_PREFIX
from orchestration.linkage.model import LinkageModel

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 60rem; color: #222 }}
h2 {{ margin-top: 2.5rem }} h3 {{ margin: 2rem 0 .25rem }}
table {{ border-collapse: collapse; margin: 1rem 0; width: 100% }}
td, th {{ border-bottom: 1px solid #ddd; padding: .25rem .5rem; text-align: left; vertical-align: top;
  overflow-wrap: anywhere }}
td.n, th.n {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; width: 1% }}
table.pair {{ table-layout: fixed }} table.pair th:first-child {{ width: 16% }} table.pair th:last-child {{ width: 30% }}
table.pair caption {{ text-align: left; padding: .25rem .5rem; background: #f3f3f3 }}
tr.same td:last-child {{ color: #17603f }} tr.other td:last-child {{ color: #a3321f }} .quiet {{ color: #666 }}
summary {{ font-weight: 600; cursor: pointer; margin: 2.5rem 0 1rem }}
.bar {{ display: inline-block; height: .7rem; background: #3a7 }} .bar.less {{ background: #c54 }}
</style></head><body>
<h1>{title}</h1>
<p>{summary}</p>
{first}
{opening}
<h2>Kinds of pairs found</h2>
<p>Agreement that comes from sharing a home or an area is told apart from agreement of one person.</p>
<table><tr><th>kind</th><th>one person?</th><th class=n>share of all pairs</th></tr>{kinds}</table>
<h2>What agreement says</h2>
<p>Weight: log2 of how much likelier the outcome is for one person than for two strangers.
+1 doubles the odds, -1 halves them.</p>
<table><tr><th>comparison</th><th>outcome</th><th class=n>one person (m)</th><th class=n>strangers (u)</th><th class=n>weight</th><th></th></tr>
{levels}</table>
<h2>Candidate pairs</h2>
<p>{whole}</p>
<table><tr><th>records that agree on</th><th class=n>pairs counted</th><th class=n>pairs kept</th><th class=n>largest block</th></tr>{blocking}</table>
{more}
{closing}
</body></html>
"""
_WHOLE = "The table is small enough to compare every pair."
_RULES = "Only records that agree on one of these are compared; what too many records share is left out."
_OPENING = "<details><summary>The model {version} in full: what is compared, and what agreement is worth</summary>"


def write_report(
    model: LinkageModel,
    path: Path,
    *,
    title: str | None = None,
    summary: str | None = None,
    first: str = "",
    more: str = "",
) -> None:
    """Write the page, with further sections (HTML) at its start and end; it loads nothing from elsewhere.

    A page with a `summary` (HTML) of its own is about something else than the model, which is folded then.
    """
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
            name = html.escape(plain_name(comparison.name)) if position == 0 else ""
            rows.append(
                f"<tr><td>{name}</td><td>{html.escape(level.name)}</td><td class=n>{m:.4f}</td>"
                f"<td class=n>{u:.2e}</td><td class=n>{weight:+.1f}</td><td>{bar}</td></tr>"
            )
    kinds = [
        f"<tr><td>{html.escape(kind.name)}</td><td>{'yes' if kind.same else 'no'}</td><td class=n>{_share(float(share))}</td></tr>"
        for kind, share in zip(mixture.kinds, mixture.share, strict=True)
    ]
    blocking = [
        f"<tr><td>{html.escape(', '.join(plain_name(name) for name in entry['key']))}</td><td class=n>{entry['pairs_counted']:,}</td>"
        f"<td class=n>{entry['pairs_kept']:,}</td><td class=n>{entry['largest_block_kept']:,}</td></tr>"
        for entry in model.report.get("blocking", [])
    ]
    report = model.report
    told = (
        f"{report.get('records', 0):,} records; about {report.get('expected_matches', 0):,.0f} matching pairs expected. "
        f"From a match weight of {model.threshold_weight:+.2f} a pair counts as one person; expected precision "
        f"{report.get('expected_precision', 1):.3f}, recall {report.get('expected_recall', 1):.3f} of the pairs compared."
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        _PAGE.format(
            title=html.escape(title or f"Linkage model {model.version}"),
            summary=summary or told,
            opening="" if summary is None else f"{_OPENING.format(version=html.escape(model.version))}<p>{told}</p>",
            closing="" if summary is None else "</details>",
            whole=_WHOLE if any(entry["key"] == ("every pair",) for entry in report.get("blocking", [])) else _RULES,
            kinds="".join(kinds),
            levels="".join(rows),
            blocking="".join(blocking),
            first=first,
            more=more,
        ),
        encoding="utf-8",
    )


def plain_name(name: str) -> str:
    """A feature's or attribute's name for people: without the prefix of further columns."""
    for prefix in (IDENTIFIER_PREFIX, CATEGORY_PREFIX, EXTRA_PREFIX):
        name = name.removeprefix(prefix)
    return name.replace("_", " ")


def _share(share: float) -> str:
    """A share of all pairs in words; what training all but ruled out is none."""
    if share >= 0.01:
        return f"{share:.1%}"
    return f"1 in {1 / share:,.0f}" if share > 1e-8 else "none"
