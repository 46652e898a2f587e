"""The report's charts: Altair specifications, drawn to SVG on the spot.

Belongs here: marks, axes and colours. Does not belong here: queries (`report_facts.py`), words around a chart
(`report_sections.py`).

Charts are drawn once, when the report is made, rather than in the reader's browser: the page then carries a few
kilobytes per chart instead of a megabyte of libraries, opens at once, prints, and shows its charts without scripts.
Tooltips stay: every mark has a description, which the page shows on hover and on keyboard focus. Colours are CSS
variables, so that one drawing serves light and dark.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Chart = Any
"""An Altair chart of any kind; Altair is imported only when one is drawn."""

ACCENT, SOFT, GOOD, WARN, BAD = "var(--accent)", "var(--soft)", "var(--good)", "var(--warn)", "var(--bad)"
INK, MUTED, LINE, CARD = "var(--ink)", "var(--muted)", "var(--line)", "var(--card)"
CATEGORIES = tuple(f"var(--c{i})" for i in range(1, 9))

HALF, FULL = 516, 1100
"""Drawing widths in pixels of a chart that takes half of the page, or all of it."""


def to_svg(chart: Chart, identifier: str, title: str) -> str:
    """Draw a chart as an SVG element that can stand in a page beside others.

    Args:
        identifier: unique in the page; prefixes the ids inside the drawing, which would else clash between charts.
        title: the accessible name.
    """
    import vl_convert

    styled = chart.configure(
        background="transparent",
        font="Liberation Sans, Arial, sans-serif",
        padding={"left": 2, "right": 6, "top": 6, "bottom": 2},
        view={"stroke": None},
        axis={
            "aria": False, "domain": False, "ticks": False, "grid": True, "gridColor": LINE, "labelColor": MUTED,
            "labelFontSize": 12, "labelPadding": 8, "titleColor": MUTED, "titleFontSize": 12,
            "titleFontWeight": "normal", "titlePadding": 10,
        },
        axisX={"grid": False, "labelAngle": 0},
        legend={
            "aria": False, "orient": "top", "title": None, "labelColor": MUTED, "labelFontSize": 12, "symbolType": "square",
            "symbolSize": 110, "symbolStrokeWidth": 0, "padding": 0, "offset": 12,
        },
        text={"color": MUTED, "fontSize": 12},
        title={"color": MUTED, "fontSize": 12, "fontWeight": "normal", "anchor": "start", "offset": 8},
    )  # fmt: skip
    svg = vl_convert.vegalite_to_svg(styled.to_json(validate=False))
    return _embeddable(svg, identifier, title)


def _embeddable(svg: str, identifier: str, title: str) -> str:
    width, height = re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups()  # type: ignore[union-attr]
    body = svg.split(">", 1)[1]
    # The library numbers ids over all drawings of the process: number them within the chart, in order of appearance.
    names = {name: f"{identifier}-{n}" for n, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', body)))}
    body = re.sub(r'\bid="([^"]+)"', lambda found: f'id="{names[found[1]]}"', body)
    body = re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{names[found[1]]})", body)
    body = re.sub(r' font-family="[^"]*"', "", body)
    body = re.sub(r"(\d+\.\d{2})\d+", r"\1", body)
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return (
        f'<svg class="chart" role="img" aria-label="{label}" viewBox="0 0 {width} {height}" '
        f'style="max-width:{float(width):.0f}px">{body}'
    )


def over_time(
    rows: Sequence[Row], series: Sequence[tuple[str, str, str]], *, width: int, height: int = 210, y_title: str
) -> Chart:
    """Stacked bars over time.

    Args:
        rows: one per period, in order, with `label`, `about` (the tooltip), and one number per series.
        series: field, name in the legend, and colour; the first is the lowest in the stack.
    """
    import altair as alt

    long = [
        {"label": row["label"], "series": name, "value": row[field], "about": row["about"], "order": order}
        for row in rows
        for order, (field, name, _) in enumerate(series)
    ]
    names = [name for _, name, _ in series]
    return (
        alt.Chart(alt.Data(values=long), width=width, height=height, autosize=_fit())
        .mark_bar(**_slim(len(rows), 76))
        .encode(
            x=_time_axis(alt, rows, width),
            y=alt.Y("value:Q", title=y_title, axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1)),
            color=alt.Color(
                "series:N",
                scale=alt.Scale(domain=names, range=[color for *_, color in series]),
                legend=alt.Legend(columns=_legend_columns(names, width)) if len(series) > 1 else None,
            ),
            order=alt.Order("order:Q"),
            description="about:N",
        )
    )


def new_and_total(rows: Sequence[Row], *, width: int) -> Chart:
    """Two panels over one time axis: `total` so far above, `new` per period below."""
    import altair as alt

    data = alt.Data(values=[dict(row) for row in rows])

    def panel(field: str, title: str, color: str, height: int, labels: bool) -> Chart:
        return (
            alt.Chart(data, width=width - 52, height=height, title=title)
            .mark_bar(color=color, **_slim(len(rows), 76))
            .encode(
                x=_time_axis(alt, rows, width, labels=labels),
                y=alt.Y(f"{field}:Q", title=None, axis=alt.Axis(format=",d", tickCount=3, tickMinStep=1)),
                description="about:N",
            )
        )

    return alt.vconcat(
        panel("total", "In all", SOFT, 110, False), panel("new", "New", ACCENT, 84, True), spacing=14
    ).resolve_scale(x="shared")


def sales_panels(rows: Sequence[Row], *, width: int, currency: str) -> Chart:
    """Revenue above, number of orders below, over one time axis."""
    import altair as alt

    data = alt.Data(values=[dict(row) for row in rows])

    def panel(field: str, title: str, color: str, height: int, labels: bool) -> Chart:
        return (
            alt.Chart(data, width=width - 60, height=height, title=title)
            .mark_bar(color=color, **_slim(len(rows), 76))
            .encode(
                x=_time_axis(alt, rows, width, labels=labels),
                y=alt.Y(
                    f"{field}:Q", title=None, axis=alt.Axis(format=_compact(row[field] for row in rows), tickCount=3)
                ),
                description="about:N",
            )
        )

    return alt.vconcat(
        panel("revenue", f"Revenue{f' ({currency})' if currency else ''}", ACCENT, 130, False),
        panel("orders", "Orders", SOFT, 80, True),
        spacing=14,
    )


def ranked(rows: Sequence[Row], fields: Sequence[tuple[str, str, str]], *, width: int, label_width: int = 110) -> Chart:
    """Horizontal bars, one row per `name`, one panel per (field, title, colour); `<field>_text` stands at each bar's end."""
    import altair as alt

    data = alt.Data(values=[dict(row) for row in rows])
    names = [row["name"] for row in rows]
    gap = 26
    panel_width = (width - label_width - gap * (len(fields) - 1)) // len(fields)
    panels = []
    for index, (field, title, color) in enumerate(fields):
        most = max((row[field] for row in rows), default=0) or 1
        base = alt.Chart(data, width=panel_width, height=alt.Step(30), title=title).encode(
            y=alt.Y(
                "name:N",
                sort=names,
                title=None,
                axis=alt.Axis(labelColor=INK, grid=False, labelLimit=label_width) if index == 0 else None,
            ),
            x=alt.X(f"{field}:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most * 1.32])),
            description="about:N",
        )
        bars = base.mark_bar(color=color, height=16, cornerRadiusEnd=3)
        texts = base.mark_text(align="left", dx=6, aria=False).encode(text=f"{field}_text:N")
        panels.append(bars + texts)
    return alt.hconcat(*panels, spacing=gap) if len(panels) > 1 else panels[0]


def shares(rows: Sequence[Row], series: Sequence[tuple[str, str, str]], *, width: int, label_width: int = 150) -> Chart:
    """One full-width bar per `name`, divided by the series' numbers; tooltips from `<field>_about`."""
    import altair as alt

    long = [
        {"name": row["name"], "series": name, "value": row[field], "about": row[f"{field}_about"], "order": order}
        for row in rows
        for order, (field, name, _) in enumerate(series)
        if row[field]
    ]
    return (
        alt.Chart(alt.Data(values=long), width=width - label_width - 16, height=alt.Step(40))
        .mark_bar(height=20)
        .encode(
            y=alt.Y(
                "name:N",
                sort=[row["name"] for row in rows],
                title=None,
                axis=alt.Axis(labelColor=INK, labelLimit=label_width, grid=False),
            ),
            x=alt.X("value:Q", stack="normalize", title=None, axis=alt.Axis(format=".0%", tickCount=5, grid=True)),
            color=alt.Color(
                "series:N",
                scale=alt.Scale(domain=[name for _, name, _ in series], range=[color for *_, color in series]),
            ),
            order=alt.Order("order:Q"),
            description="about:N",
        )
    )


def combinations(rows: Sequence[Row], sources: Sequence[str], *, width: int) -> Chart:
    """An UpSet plot (Lex et al. 2014): how many customers each combination of sources shares.

    Args:
        rows: one per combination, in order, with `key`, `sources` (a list), `customers`, `customers_text`, `about`.
        sources: all sources, in the order of the dots' rows.
    """
    import altair as alt

    keys = [row["key"] for row in rows]
    x = alt.X("key:N", sort=keys, axis=None, scale=alt.Scale(paddingInner=0.35, paddingOuter=0.3))
    plot_width = width - 84
    bars = alt.Chart(alt.Data(values=[{**row, "sources": None} for row in rows]), width=plot_width, height=150).encode(
        x=x, description="about:N"
    )
    y = alt.Y("customers:Q", title=None, axis=alt.Axis(format=",d", tickCount=3, tickMinStep=1))
    top = bars.mark_bar(color=ACCENT, **_slim(len(rows), 56)).encode(y=y) + bars.mark_text(
        dy=-8, fontSize=11, aria=False
    ).encode(y="customers:Q", text="customers_text:N")
    dots = [
        {"key": row["key"], "source": source, "member": source in row["sources"], "about": row["about"]}
        for row in rows
        for source in sources
    ]
    spans = [
        {"key": row["key"], "low": row["sources"][0], "high": row["sources"][-1], "about": row["about"]} for row in rows
    ]
    source_axis = alt.Y(
        "source:N",
        sort=list(sources),
        title=None,
        axis=alt.Axis(labelColor=INK, grid=False),
        scale=alt.Scale(domain=list(sources)),
    )
    matrix = (
        alt.Chart(alt.Data(values=spans), width=plot_width, height=alt.Step(22))
        .mark_rule(color=ACCENT, strokeWidth=2, aria=False)
        .encode(x=x, y=alt.Y("low:N", sort=list(sources)), y2="high:N")
    ) + (
        alt.Chart(alt.Data(values=dots))
        .mark_circle(size=110, opacity=1)
        .encode(
            x=x,
            y=source_axis,
            color=alt.Color("member:N", scale=alt.Scale(domain=[True, False], range=[ACCENT, LINE]), legend=None),
            description="about:N",
        )
    )
    return alt.vconcat(top, matrix, spacing=12).resolve_scale(color="independent")


def histogram(rows: Sequence[Row], *, width: int, threshold: float | None, x_title: str) -> Chart:
    """Counts per bin: `bin_start`, `bin_end`, `pairs`, `about`; bins at or above the threshold stand out."""
    import altair as alt

    values = [
        {
            **row,
            "side": "Match"
            if threshold is None or (row["bin_start"] + row["bin_end"]) / 2 >= threshold
            else "No match",
        }
        for row in rows
    ]
    low, high = rows[0]["bin_start"], rows[-1]["bin_end"]
    if threshold is not None:
        low, high = min(low, threshold), max(high, threshold)
    spare = max(0.0, 12 - (high - low)) / 2  # one or two bins alone would fill the chart
    bars = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "bin_start:Q",
                bin="binned",
                title=x_title,
                axis=alt.Axis(tickCount=10, format=",.2~f"),
                scale=alt.Scale(domain=[low - spare, high + spare]),
            ),
            x2="bin_end:Q",
            y=alt.Y("pairs:Q", title="Pairs", axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1)),
            color=alt.Color(
                "side:N",
                scale=alt.Scale(domain=["No match", "Match"], range=[SOFT, ACCENT]),
                legend=None if threshold is None else alt.Legend(),
            ),
            description="about:N",
        )
    )
    layers = [bars]
    if threshold is not None:
        mark = alt.Data(values=[{"at": threshold, "text": f"threshold {threshold:.1f}"}])
        layers.append(alt.Chart(mark).mark_rule(color=INK, strokeDash=[4, 3], aria=False).encode(x="at:Q"))
        layers.append(
            alt.Chart(mark)
            .mark_text(color=INK, align="right", dx=-6, baseline="top", y=0, aria=False)
            .encode(x="at:Q", text="text:N")
        )
    return alt.layer(*layers, width=width, height=220, autosize=_fit())


def columns(rows: Sequence[Row], *, width: int, x_title: str, y_title: str) -> Chart:
    """Vertical bars in the given order: `name`, `value`, `value_text`, `about`."""
    import altair as alt

    base = alt.Chart(alt.Data(values=[dict(row) for row in rows])).encode(
        x=alt.X("name:N", sort=[row["name"] for row in rows], title=x_title, scale=alt.Scale(paddingInner=0.25)),
        y=alt.Y("value:Q", title=y_title, axis=alt.Axis(format=",d", tickCount=4, tickMinStep=1)),
        description="about:N",
    )
    layers = (
        base.mark_bar(color=ACCENT, **_slim(len(rows), 64)),
        base.mark_text(dy=-8, aria=False).encode(text="value_text:N"),
    )
    return alt.layer(*layers, width=width, height=220, autosize=_fit())


def _compact(values: Iterable[float]) -> str:
    """d3 number format: whole numbers, or with k and M where they would be long."""
    return "~s" if max(values, default=0) >= 1_000_000 else ",d"


def _slim(bars: int, width: int) -> dict[str, Any]:
    """Keeps a few bars from filling the whole chart."""
    return {"size": width} if bars <= 4 else {}


def _fit() -> dict[str, str]:
    return {"type": "fit", "contains": "padding"}


def _legend_columns(names: Sequence[str], width: int) -> int:
    """As many entries per line as fit: about 6.5 pixels a character, and the symbol."""
    return max(1, int(width / (max(map(len, names)) * 6.5 + 32)))


def _time_axis(alt: Any, rows: Sequence[Row], width: int, *, labels: bool = True) -> Any:
    """Periods in order, with as many labels as fit, evenly spaced, the first one included."""
    names = [row["label"] for row in rows]
    fitting = max(1, int(width / (max(map(len, names)) * 9 + 4)))
    step = -(-len(names) // fitting)
    return alt.X(
        "label:N",
        sort=names,
        title=None,
        axis=alt.Axis(values=names[::step], labelOverlap=False) if labels else None,
        scale=alt.Scale(paddingInner=0.18 if len(names) > 4 else 0.45, paddingOuter=0.1),
    )
