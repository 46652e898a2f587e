"""A pair's explanation as one HTML page with a waterfall chart; it loads nothing from elsewhere.

Belongs here: layout of the page. Does not belong here: finding out what to say (see `explain`).
"""

import html
from pathlib import Path

from orchestration.identity.errors import IdentityError
from orchestration.identity.explain import PairExplanation, agreement, as_rows, chance

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Why {left} and {right} are {verdict}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #222 }}
h1 {{ font-size: 1.4rem }} h2 {{ font-size: 1.1rem; margin-top: 2rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ border-bottom: 1px solid #ddd; padding: .3rem .5rem; text-align: left; vertical-align: top }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }}
.same {{ color: #1b6e3c }} .alike {{ color: #7a5b00 }} .differs {{ color: #a8321f }}
svg text {{ font: 13px system-ui, sans-serif; fill: #222 }}
.conclusion {{ background: #f3f3ee; border-left: 4px solid #555; padding: .6rem 1rem }}
</style></head><body>
<h1>{left} and {right}</h1>
<p class="conclusion">{conclusion}</p>
{notes}
<h2>How the weight adds up</h2>
<p>Weights are in bits: +1 doubles the odds that both records are one person, -1 halves them.</p>
{chart}
<table><tr><th>evidence</th><th>what it says</th><th>bits</th><th>so far</th></tr>{steps}</table>
<h2>The two records</h2>
<table><tr><th></th><th>{left}</th><th>{right}</th><th></th></tr>{values}</table>
<p>Linkage model {model}. Values are the standardised ones that are compared. This page holds personal data.</p>
</body></html>
"""
_ROW, _LABEL, _WIDTH = 26, 230, 960


def write_page(explanation: PairExplanation, path: Path) -> None:
    """Write the page. Raises IdentityError when it cannot be written."""
    same = explanation.customer_l is not None and explanation.customer_l == explanation.customer_r
    content = _PAGE.format(
        left=html.escape(explanation.record_id_l),
        right=html.escape(explanation.record_id_r),
        verdict="one customer" if same else "two customers",
        conclusion=html.escape(explanation.conclusion),
        notes="".join(f"<p>{html.escape(note)}</p>" for note in explanation.notes),
        chart=waterfall(explanation),
        steps=_steps(explanation),
        values="".join(_value(name, *pair) for name, pair in explanation.values.items()),
        model=html.escape(explanation.model_version),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise IdentityError(
            f"the page {path} cannot be written: {error.strerror}. Name another with --html."
        ) from error


def waterfall(explanation: PairExplanation) -> str:
    """The chart as SVG: one bar per step from where the sum stood to where it goes, and the threshold as a line."""
    rows = as_rows(explanation)
    stops = [0.0]
    for row in rows:
        stops.append(stops[-1] + row["bits"])
    shown = [*stops, explanation.weight, explanation.threshold]
    low, high = min(shown) - 1, max(shown) + 1
    scale = (_WIDTH - _LABEL - 60) / (high - low)

    def at(bits: float) -> float:
        return round(_LABEL + (bits - low) * scale, 1)

    height = (len(rows) + 1) * _ROW + 30
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%" role="img" aria-label="Waterfall of the match weight">',
        f'<line x1="{at(0)}" x2="{at(0)}" y1="0" y2="{height - 24}" stroke="#999"/>',
        f'<line x1="{at(explanation.threshold)}" x2="{at(explanation.threshold)}" y1="0" y2="{height - 24}" '
        'stroke="#555" stroke-dasharray="4 3"/>',
        f'<text x="{at(explanation.threshold)}" y="{height - 6}" text-anchor="middle">'
        f"threshold {explanation.threshold:+.1f}</text>",
    ]
    bars = [(row["name"], stop, row["bits"]) for row, stop in zip(rows, stops, strict=False)]
    bars.append(("In all", 0.0, explanation.weight))
    for number, (name, start, bits) in enumerate(bars):
        y = number * _ROW + 4
        colour = "#555" if number == len(bars) - 1 else "#2f8f57" if bits >= 0 else "#c2503c"
        left, width = at(min(start, start + bits)), max(abs(bits) * scale, 1)
        parts.append(f'<text x="0" y="{y + 14}">{html.escape(str(name))}</text>')
        parts.append(
            f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{_ROW - 8}" fill="{colour}">'
            f"<title>{html.escape(str(name))}: {bits:+.1f} bits</title></rect>"
        )
        parts.append(f'<text x="{left + width + 4:.1f}" y="{y + 14}">{bits:+.1f}</text>')
    return "".join([*parts, "</svg>"])


def _steps(explanation: PairExplanation) -> str:
    lines, so_far = [], 0.0
    for row in as_rows(explanation):
        so_far += row["bits"]
        lines.append(
            f"<tr><td>{html.escape(row['name'])}</td><td>{html.escape(row['words'])}</td>"
            f"<td class=n>{row['bits']:+.1f}</td><td class=n>{so_far:+.1f}</td></tr>"
        )
    silent = [each.name.replace("_", " ") for each in explanation.evidence if not each.bits]
    if silent:
        lines.append(f"<tr><td>{html.escape(', '.join(silent))}</td><td>says nothing here</td><td></td><td></td></tr>")
    lines.append(
        f"<tr><th>In all</th><th>{html.escape(chance(explanation.probability))}</th><td></td>"
        f"<td class=n><b>{explanation.weight:+.1f}</b></td></tr>"
    )
    return "".join(lines)


def _value(name: str, left: str | None, right: str | None) -> str:
    mark = agreement(name, left, right)
    cells = "".join(f"<td>{html.escape(value or '')}</td>" for value in (left, right))
    return f"<tr><td>{name.replace('_', ' ')}</td>{cells}<td class='{mark}'>{mark}</td></tr>"
