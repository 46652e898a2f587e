"""Figures about the state of the data and its use: quality, value and consent.

Belongs here: words and choice of chart of each such figure. Does not belong here: SQL (`report_facts.py`), drawing
(`report_charts.py`), figures about customers and their sources (`report_people.py`).
"""

from orchestration.publishing import report_charts as charts
from orchestration.publishing import report_facts as figures
from orchestration.publishing.report_facts import Facts, Row
from orchestration.publishing.report_figure import Figure, Table, draw, drawable
from orchestration.publishing.report_words import channel, check_name, day, money, number, percent, plural, readable


def check_trend(facts: Facts) -> Figure:
    figure = Figure(
        "checks",
        "Checks per load date",
        "Every expectation that was validated for the day, in its newest run, by outcome.",
        "A row check that held rows back did its work: the rows are in quarantine. A failed table check stops the stages "
        "behind it. Fewer checks than the day before mean that a table did not arrive.",
        missing="Appears once a quality gate has run.",
    )
    found = figures.check_trend(facts)
    if not found:
        return figure
    rows = [
        {
            **row,
            "label": day(row["period"]),
            "about": f"{day(row['period'])}: {number(row['passed'])} passed, {number(row['held'])} held rows back, "
            f"{plural(row['warned'], 'warning')}, "
            f"{number(row['failed'])} failed, {number(row['unevaluated'])} could not be evaluated",
        }
        for row in found[-62:]
    ]
    series = [
        ("failed", "Failed", charts.BAD),
        ("unevaluated", "Not evaluated", charts.MUTED),
        ("held", "Held rows back", charts.WARN),
        ("warned", "Warning", charts.SOFT),
        ("passed", "Passed", charts.GOOD),
    ]
    used = [entry for entry in series if entry[0] == "passed" or any(row[entry[0]] for row in rows)]
    return draw(
        figure,
        lambda: charts.over_time(drawable(rows), used, width=charts.HALF, y_title="Checks"),
        Table(
            ("Load date", "Passed", "Held rows back", "Warnings", "Failed", "Not evaluated"),
            [
                (r["label"], *(number(r[name]) for name in ("passed", "held", "warned", "failed", "unevaluated")))
                for r in rows
            ],
        ),
    )


def quarantined(facts: Facts) -> Figure:
    figure = Figure(
        "quarantined",
        "Rows held back",
        "Rows in quarantine by load date and table. Each waits there with the check that it failed, and can be mended and replayed.",
        "A day or a table that stands out usually means that a source changed its format. The tables of schema `quarantine` name each row and why.",
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
        counts = {row["table_name"]: row["rows"] for row in found if row["period"] == period}
        parts = [f"{name} {number(counts[name])}" for name in ordered if counts.get(name)]
        rows.append(
            {f"t{i}": counts.get(name, 0) for i, name in enumerate(shown)}
            | {
                "rest": sum(counts.get(name, 0) for name in rest),
                "label": day(period),
                "about": f"{day(period)}: {plural(sum(counts.values()), 'row')} held back ({', '.join(parts)})",
            }
        )
    series = [(f"t{i}", name, charts.CATEGORIES[i]) for i, name in enumerate(shown)]
    if rest:
        series.append(("rest", "other", charts.CATEGORIES[7]))
    return draw(
        figure,
        lambda: charts.over_time(rows, series, width=charts.HALF, y_title="Rows"),
        Table(
            ("Load date", "Table", "Rows"),
            [(day(r["period"]), r["table_name"], number(r["rows"])) for r in found],
        ),
    )


def open_checks(facts: Facts) -> Figure:
    rows = figures.open_checks(facts)
    figure = Figure(
        "open-checks",
        "Checks that did not pass on the newest day",
        "The checks to look at first, with how many rows they object to.",
        "Failing rows are in quarantine and in the Data Docs; this page shows counts only.",
        missing="Every check of the newest day passed."
        if figures.check_trend(facts)
        else "Appears once a quality gate has run.",
        wide=True,
    )
    if not rows:
        return figure
    table = Table(
        ("Table", "Check", "Column", "Outcome", "Rows", "Of"),
        [
            (
                r["table_name"] or "",
                check_name(r["expectation"] or ""),
                r["column_name"] or "",
                r["outcome"],
                number(r["unexpected_count"]),
                number(r["element_count"]),
            )
            for r in rows
        ],
    )
    return Figure(figure.identifier, figure.title, figure.shows, figure.look_for, table=table, wide=True)


def sales(facts: Facts, currency: str) -> Figure:
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
    return draw(
        figure,
        lambda: charts.sales_panels(drawable(rows), width=charts.FULL, currency=currency),
        Table(
            (grain.name.title(), "Orders", "Revenue"),
            [(r["label"], number(r["orders"]), money(r["revenue"], currency)) for r in rows],
        ),
    )


def rfm(facts: Facts, currency: str) -> Figure:
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
    return draw(
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


def consent(facts: Facts) -> Figure:
    figure = Figure(
        "consent-by-purpose",
        "Consent by purpose and channel",
        "Of all customers, how many allowed a use of their data, withdrew it, or gave no answer.",
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
        name = f"{readable(row['purpose'] or '')} by {channel(row['channel'])}"
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
    return draw(
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
