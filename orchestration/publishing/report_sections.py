"""The report's sections: what each chart is called, what it shows, what to look for, and its numbers as a table.

Belongs here: words and the choice of chart. Does not belong here: SQL (`report_facts.py`), drawing (`report_charts.py`),
the page (`templates/`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestration.publishing import report_charts as charts
from orchestration.publishing import report_facts as figures
from orchestration.publishing.report_facts import Facts, Row
from orchestration.publishing.report_words import day, listed, money, number, percent, plural, readable

_COMBINATIONS_SHOWN = 14


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


def build_sections(facts: Facts) -> list[Section]:
    """Every section, in reading order, drawn from the facts."""
    currency = main_currency(facts)
    return [
        Section("customers", "Customers", (_customers_known(facts), _first_activity(facts))),
        Section(
            "sources",
            "Sources and identity",
            (_records_per_source(facts), _records_per_customer(facts), _combinations(facts), _match_weights(facts)),
        ),
        Section("quality", "Data quality", (_check_trend(facts), _quarantined(facts), _open_checks(facts))),
        Section("value", "Value", (_sales(facts, currency), _rfm(facts, currency))),
        Section("consent", "Consent", (_consent(facts),)),
    ]


def main_currency(facts: Facts) -> str:
    """The currency of most orders, empty when there are none."""
    found = figures.revenue_by_currency(facts)
    return (found[0]["currency"] or "") if found else ""


def _draw(figure: Figure, chart: Callable[[], Any], table: Table) -> Figure:
    svg = charts.to_svg(chart(), figure.identifier, f"{figure.title}. {figure.shows}")
    return Figure(
        figure.identifier, figure.title, figure.shows, figure.look_for, chart=svg, table=table, wide=figure.wide
    )


def _customers_known(facts: Facts) -> Figure:
    figure = Figure(
        "customers-known",
        "Customers known",
        "People in the customer table after each load, divided into those known before and those seen for the first time.",
        "The first load brings the whole history. After it, growth should be steady: a jump means a new source, or "
        "people who are not recognised; a fall cannot happen here.",
        missing="Appears once the customer table is built.",
    )
    rows = figures.customers_known(facts)
    if not rows:
        return figure
    rows = [
        {
            **row,
            "label": day(row["period"]),
            "about": f"{day(row['period'])}: {plural(row['new'], 'new customer')}, {number(row['total'])} in all",
        }
        for row in rows[-62:]
    ]
    return _draw(
        figure,
        lambda: charts.over_time(
            _drawable(rows),
            [("known", "Known before", charts.SOFT), ("new", "New", charts.ACCENT)],
            width=charts.HALF,
            y_title="Customers",
        ),
        Table(("Load date", "New", "In all"), [(r["label"], number(r["new"]), number(r["total"])) for r in rows]),
    )


def _first_activity(facts: Facts) -> Figure:
    figure = Figure(
        "first-activity",
        "Customers by first activity",
        "When customers first bought or were first seen on a channel, whatever day their record arrived.",
        "The lower bars show how well new customers are won. A long flat stretch often means that history of a channel is missing.",
        missing="Appears once orders or interactions are collected.",
    )
    daily = figures.first_activity(facts)
    if not daily:
        return figure
    grain, rows = figures.by_period(daily, ["new"])
    total = 0
    for row in rows:
        total += row["new"]
        label = grain.label(row["period"])
        row |= {
            "label": label,
            "total": total,
            "about": f"{label}: {plural(row['new'], 'new customer')}, {number(total)} in all",
        }
    return _draw(
        figure,
        lambda: charts.new_and_total(_drawable(rows), width=charts.HALF),
        Table(
            (grain.name.title(), "New", "In all"), [(r["label"], number(r["new"]), number(r["total"])) for r in rows]
        ),
    )


def _records_per_source(facts: Facts) -> Figure:
    figure = Figure(
        "records-per-source",
        "Records and customers per source",
        "How many records each source holds, and how many different people they are.",
        "A source with many more records than people holds duplicates of its own. The table shows whom only one source knows.",
        missing="Appears once records are resolved to customers.",
    )
    rows = [
        {
            **row,
            "name": row["source"],
            "records_text": number(row["records"]),
            "customers_text": number(row["customers"]),
            "about": f"{row['source']}: {plural(row['records'], 'record')} of {plural(row['customers'], 'customer')}, "
            f"{number(row['only_here'])} known from nowhere else",
        }
        for row in figures.sources(facts)
    ]
    if not rows:
        return figure
    return _draw(
        figure,
        lambda: charts.ranked(
            rows,
            [("records", "Records", charts.SOFT), ("customers", "Customers", charts.ACCENT)],
            width=charts.HALF,
            label_width=90,
        ),
        Table(
            ("Source", "Records", "Customers", "Known from nowhere else"),
            [(r["name"], r["records_text"], r["customers_text"], number(r["only_here"])) for r in rows],
        ),
    )


def _records_per_customer(facts: Facts) -> Figure:
    figure = Figure(
        "records-per-customer",
        "Records per customer",
        "How many records were found to be one person. Everyone right of 1 was in the data more than once.",
        "A long tail deserves a look: a customer of very many records may be two people joined by a shared phone or address.",
        missing="Appears once records are resolved to customers.",
    )
    found = figures.records_per_customer(facts)
    if not found:
        return figure
    everyone = sum(row["customers"] for row in found)
    rows = [
        {
            "name": "10+" if row["records"] == 10 else str(row["records"]),
            "value": row["customers"],
            "value_text": number(row["customers"]),
            "about": f"{plural(row['customers'], 'customer')} ({percent(row['customers'], everyone)}) with "
            + (f"10 to {row['largest']} records" if row["records"] == 10 else plural(row["records"], "record")),
        }
        for row in found
    ]
    return _draw(
        figure,
        lambda: charts.columns(rows, width=charts.HALF, x_title="Records", y_title="Customers"),
        Table(
            ("Records", "Customers", "Share"),
            [(r["name"], r["value_text"], percent(r["value"], everyone)) for r in rows],
        ),
    )


def _combinations(facts: Facts) -> Figure:
    found = figures.source_combinations(facts)
    rest = found[_COMBINATIONS_SHOWN:]
    remainder = (
        f" The other {plural(len(rest), 'combination')} hold {plural(sum(r['customers'] for r in rest), 'customer')}."
        if rest
        else ""
    )
    figure = Figure(
        "source-overlap",
        "Where the same person appears",
        f"Each column is a combination of sources, marked by the dots; its bar counts the customers found in exactly these.{remainder}",
        "Combinations that you expect but do not see (every loyalty member is in the shop, say) point at a key that does not match.",
        missing="Appears once records are resolved to customers.",
        wide=True,
    )
    if not found:
        return figure
    sources = [row["source"] for row in figures.sources(facts)]
    everyone = sum(row["customers"] for row in found)
    rows = [
        {
            "key": "+".join(ordered),
            "sources": ordered,
            "customers": row["customers"],
            "customers_text": number(row["customers"]),
            "about": f"{listed(ordered)}{' only' if len(ordered) == 1 else ''}: {plural(row['customers'], 'customer')}, "
            f"{percent(row['customers'], everyone)}",
        }
        for row in found
        for ordered in [sorted(row["sources"], key=sources.index)]
    ]
    return _draw(
        figure,
        lambda: charts.combinations(rows[:_COMBINATIONS_SHOWN], sources, width=charts.FULL),
        Table(
            ("Sources", "Customers", "Share"),
            [(listed(r["sources"]), r["customers_text"], percent(r["customers"], everyone)) for r in rows],
        ),
    )


def _match_weights(facts: Facts) -> Figure:
    figure = Figure(
        "match-weights",
        "How sure the matches are",
        "Compared pairs of records by match weight: each step to the right doubles the odds that the two are one person.",
        "Two hills with a valley between them are good: the threshold should stand in the valley. Many pairs close to it "
        "mean many doubtful decisions.",
        missing="Appears once pairs of records have been compared.",
        wide=True,
    )
    found = figures.match_weights(facts)
    if not found:
        return figure
    threshold = figures.match_threshold(facts)
    rows = [
        {
            **row,
            "about": f"Match weight {row['bin_start']:g} to {row['bin_end']:g}: {plural(row['pairs'], 'pair')}",
        }
        for row in found
    ]
    return _draw(
        figure,
        lambda: charts.histogram(
            rows, width=charts.FULL, threshold=threshold.weight if threshold else None, x_title="Match weight"
        ),
        Table(
            ("Match weight from", "to", "Pairs"),
            [(f"{r['bin_start']:g}", f"{r['bin_end']:g}", number(r["pairs"])) for r in rows],
        ),
    )


def _check_trend(facts: Facts) -> Figure:
    figure = Figure(
        "checks",
        "Checks per load date",
        "Every expectation that was validated for the day, in its newest run, by outcome.",
        "Bars should be of one colour and of one height. A failed check that blocks keeps its stage from going on; fewer "
        "checks than the day before mean that a table did not arrive.",
        missing="Appears once a quality gate has run.",
    )
    found = figures.check_trend(facts)
    if not found:
        return figure
    rows = [
        {
            **row,
            "label": day(row["period"]),
            "about": f"{day(row['period'])}: {number(row['passed'])} passed, {plural(row['warned'], 'warning')}, "
            f"{number(row['failed'])} failed, {number(row['unevaluated'])} could not be evaluated",
        }
        for row in found[-62:]
    ]
    series = [
        ("failed", "Failed", charts.BAD),
        ("warned", "Warning", charts.WARN),
        ("unevaluated", "Not evaluated", charts.MUTED),
        ("passed", "Passed", charts.GOOD),
    ]
    used = [entry for entry in series if entry[0] == "passed" or any(row[entry[0]] for row in rows)]
    return _draw(
        figure,
        lambda: charts.over_time(_drawable(rows), used, width=charts.HALF, y_title="Checks"),
        Table(
            ("Load date", "Passed", "Warnings", "Failed", "Not evaluated"),
            [
                (r["label"], *(number(r[name]) for name in ("passed", "warned", "failed", "unevaluated")))
                for r in rows
            ],
        ),
    )


def _quarantined(facts: Facts) -> Figure:
    figure = Figure(
        "quarantined",
        "Rows held back",
        "Rows in quarantine by load date and table. Each waits there with the check that it failed, and can be mended and replayed.",
        "A day or a table that stands out usually means that a source changed its format. `kindred quarantine` lists the rows.",
        missing="No row is in quarantine.",
    )
    found = figures.quarantined(facts)
    if not found:
        return figure
    sums: dict[str, int] = {}
    for row in found:
        sums[row["table_name"]] = sums.get(row["table_name"], 0) + row["rows"]
    ordered = sorted(sums, key=lambda name: (-sums[name], name))
    shown, rest = (ordered[:7], ordered[7:]) if len(ordered) > 8 else (ordered, [])
    periods = sorted({row["period"] for row in found})[-62:]
    rows: list[Row] = []
    for period in periods:
        counts = {r["table_name"]: r["rows"] for r in found if r["period"] == period}
        row: Row = {f"t{i}": counts.get(name, 0) for i, name in enumerate(shown)}
        row["rest"] = sum(counts.get(name, 0) for name in rest)
        row |= {"period": period, "label": day(period), "counts": counts}
        parts = [f"{name} {number(counts[name])}" for name in ordered if counts.get(name)]
        row["about"] = f"{day(period)}: {plural(sum(counts.values()), 'row')} held back ({', '.join(parts)})"
        rows.append(row)
    series = [(f"t{i}", name, charts.CATEGORIES[i]) for i, name in enumerate(shown)]
    if rest:
        series.append(("rest", "other", charts.CATEGORIES[7]))
    drawable = [{k: v for k, v in row.items() if k != "counts"} for row in _drawable(rows)]
    return _draw(
        figure,
        lambda: charts.over_time(drawable, series, width=charts.HALF, y_title="Rows"),
        Table(
            ("Load date", "Table", "Rows"),
            [(day(r["period"]), r["table_name"], number(r["rows"])) for r in found],
        ),
    )


def _open_checks(facts: Facts) -> Figure:
    rows = figures.open_checks(facts)
    figure = Figure(
        "open-checks",
        "Checks that did not pass on the newest day",
        "The checks to look at first, with how many rows they object to.",
        "Failing rows are in quarantine and in the Data Docs; this page shows counts only.",
        missing="Every check of the newest day passed." if figures.check_trend(facts) else "Appears once a quality gate has run.",
        wide=True,
    )
    if not rows:
        return figure
    table = Table(
        ("Table", "Check", "Column", "Outcome", "Rows", "Of"),
        [
            (
                r["table_name"] or "",
                readable(r["expectation"] or ""),
                r["column_name"] or "",
                r["outcome"],
                number(r["unexpected_count"]),
                number(r["element_count"]),
            )
            for r in rows
        ],
    )
    return Figure(figure.identifier, figure.title, figure.shows, figure.look_for, table=table, wide=True)


def _sales(facts: Facts, currency: str) -> Figure:
    several = len(figures.revenue_by_currency(facts)) > 1
    only = f" Only orders in {currency} are shown, so that no currencies are added up." if several else ""
    figure = Figure(
        "sales",
        "Orders and revenue",
        f"Revenue counts orders that were neither cancelled nor returned; the lower bars count all orders.{only}",
        "Revenue that moves away from the number of orders means that baskets grow or shrink. The newest period may not be over yet.",
        missing="Appears once orders are collected.",
        wide=True,
    )
    daily = figures.sales(facts, currency if several else None)
    if not daily:
        return figure
    grain, rows = figures.by_period(daily, ["orders", "revenue"])
    for row in rows:
        row["label"] = grain.label(row["period"])
        row["about"] = f"{row['label']}: {money(row['revenue'], currency)} from {plural(row['orders'], 'order')}"
    return _draw(
        figure,
        lambda: charts.sales_panels(_drawable(rows), width=charts.FULL, currency=currency),
        Table(
            (grain.name.title(), "Orders", "Revenue"),
            [(r["label"], number(r["orders"]), money(r["revenue"], currency)) for r in rows],
        ),
    )


def _rfm(facts: Facts, currency: str) -> Figure:
    figure = Figure(
        "rfm",
        "Customer segments",
        "Buyers by how recently they bought, how often and for how much (RFM), the most valuable segment first.",
        "Compare the two sides: few people with much revenue are worth keeping; many people at risk are worth winning back.",
        missing="Appears once customers have orders.",
        wide=True,
    )
    found = figures.rfm_segments(facts)
    if not found:
        return figure
    everyone, revenue = sum(r["customers"] for r in found), sum(r["revenue"] for r in found)
    rows = [
        {
            **row,
            "name": readable(row["segment"]),
            "customers_text": f"{number(row['customers'])}  ({percent(row['customers'], everyone)})",
            "revenue_text": f"{money(row['revenue'], currency)}  ({percent(row['revenue'], revenue)})",
            "about": f"{readable(row['segment'])}: {plural(row['customers'], 'customer')}, {money(row['revenue'], currency)}",
        }
        for row in found
    ]
    return _draw(
        figure,
        lambda: charts.ranked(
            rows,
            [("customers", "Customers", charts.SOFT), ("revenue", "Revenue", charts.ACCENT)],
            width=charts.FULL,
            label_width=150,
        ),
        Table(
            ("Segment", "Customers", "Revenue"),
            [(r["name"], r["customers_text"], r["revenue_text"]) for r in rows],
        ),
    )


def _consent(facts: Facts) -> Figure:
    figure = Figure(
        "consent-by-purpose",
        "Consent by purpose and channel",
        "Of all customers, how many allowed a use of their data, withdrew it, or were never asked.",
        "Only people who granted may be contacted. No answer counts as no.",
        missing="Appears once a source delivers consent.",
        wide=True,
    )
    found = figures.consent(facts)
    if not found:
        return figure
    everyone = figures.totals(facts)["customers"] or 0
    rows = []
    for row in found:
        silent = max(everyone - row["granted"] - row["withdrawn"], 0)
        name = f"{readable(row['purpose'] or '')} by {row['channel'] or 'any channel'}"
        rows.append(
            {
                **row,
                "silent": silent,
                "name": name,
                "granted_about": f"{name}: granted by {number(row['granted'])} of {plural(everyone, 'customer')}, {percent(row['granted'], everyone)}",
                "withdrawn_about": f"{name}: withdrawn by {plural(row['withdrawn'], 'customer')}, {percent(row['withdrawn'], everyone)}",
                "silent_about": f"{name}: no answer from {plural(silent, 'customer')}, {percent(silent, everyone)}",
            }
        )
    return _draw(
        figure,
        lambda: charts.shares(
            rows,
            [
                ("granted", "Granted", charts.GOOD),
                ("withdrawn", "Withdrawn", charts.BAD),
                ("silent", "No answer", charts.LINE),
            ],
            width=charts.FULL,
            label_width=170,
        ),
        Table(
            ("Purpose", "Granted", "Withdrawn", "No answer"),
            [(r["name"], number(r["granted"]), number(r["withdrawn"]), number(r["silent"])) for r in rows],
        ),
    )


def _drawable(rows: Sequence[Row]) -> list[Row]:
    """Rows without the date object, which has no JSON form; the label stands for it."""
    return [{name: value for name, value in row.items() if name != "period"} for row in rows]
