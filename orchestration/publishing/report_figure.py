"""What a figure of the report is: its words, its drawing and its numbers.

Belongs here: the shapes that the page is built of, and turning a chart into one of them. Does not belong here: any
particular figure (`report_people.py`, `report_health.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestration.publishing import report_charts as charts
from orchestration.publishing.report_facts import Row


@dataclass(frozen=True)
class Table:
    """A chart's numbers, for readers who prefer or need a table. Cells are text."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """One card of the report.

    Attributes:
        identifier: unique in the page, a lower-case word.
        shows: one or two sentences on what is drawn.
        look_for: what a reader should notice, or do.
        chart: the drawn SVG, or None when there is nothing to draw.
        table: the numbers behind it.
        missing: shown instead of a chart: what has to happen for it to appear.
        wide: takes the page's whole width.
    """

    identifier: str
    title: str
    shows: str
    look_for: str
    chart: str | None = None
    table: Table | None = None
    missing: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A group of figures under one heading."""

    identifier: str
    title: str
    figures: Sequence[Figure] = field(default_factory=tuple)


def draw(figure: Figure, chart: Callable[[], Any], table: Table) -> Figure:
    """The figure with its chart drawn and its numbers beside it."""
    svg = charts.to_svg(chart(), figure.identifier, f"{figure.title}. {figure.shows}")
    return replace(figure, chart=svg, table=table)


def drawable(rows: Sequence[Row]) -> list[Row]:
    """Rows without the date object, which has no JSON form; the label stands for it."""
    return [{name: value for name, value in row.items() if name != "period"} for row in rows]
