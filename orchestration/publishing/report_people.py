"""Figures about people: how many customers there are, where they come from, how they were put together.

Belongs here: words and choice of chart of each such figure. Does not belong here: SQL (`report_facts.py`), drawing
(`report_charts.py`), figures about quality, value and consent (`report_health.py`).
"""

from orchestration.publishing import report_charts as charts
from orchestration.publishing import report_facts as figures
from orchestration.publishing.report_facts import Facts
from orchestration.publishing.report_figure import Figure, Table, draw, drawable
from orchestration.publishing.report_words import day, listed, number, percent, plural

_COMBINATIONS_SHOWN = 14


def customers_known(facts: Facts) -> Figure:
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
    return draw(
        figure,
        lambda: charts.over_time(
            drawable(rows),
            [("known", "Known before", charts.SOFT), ("new", "New", charts.ACCENT)],
            width=charts.HALF,
            y_title="Customers",
        ),
        Table(("Load date", "New", "In all"), [(r["label"], number(r["new"]), number(r["total"])) for r in rows]),
    )


def first_activity(facts: Facts) -> Figure:
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
    return draw(
        figure,
        lambda: charts.new_and_total(drawable(rows), width=charts.HALF),
        Table(
            (grain.name.title(), "New", "In all"), [(r["label"], number(r["new"]), number(r["total"])) for r in rows]
        ),
    )


def records_per_source(facts: Facts) -> Figure:
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
    return draw(
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


def records_per_customer(facts: Facts) -> Figure:
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
    return draw(
        figure,
        lambda: charts.columns(rows, width=charts.HALF, x_title="Records", y_title="Customers"),
        Table(
            ("Records", "Customers", "Share"),
            [(r["name"], r["value_text"], percent(r["value"], everyone)) for r in rows],
        ),
    )


def combinations(facts: Facts) -> Figure:
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
        missing="Appears once records of two or more sources are resolved to customers.",
        wide=True,
    )
    sources = [row["source"] for row in figures.sources(facts)]
    if len(sources) < 2:
        return figure
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
    return draw(
        figure,
        lambda: charts.combinations(rows[:_COMBINATIONS_SHOWN], sources, width=charts.FULL),
        Table(
            ("Sources", "Customers", "Share"),
            [(listed(r["sources"]), r["customers_text"], percent(r["customers"], everyone)) for r in rows],
        ),
    )


def match_weights(facts: Facts, threshold: float | None) -> Figure:
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
    rows = [
        {
            **row,
            "about": f"Match weight {row['bin_start']:g} to {row['bin_end']:g}: {plural(row['pairs'], 'pair')}",
        }
        for row in found
    ]
    return draw(
        figure,
        lambda: charts.histogram(rows, width=charts.FULL, threshold=threshold, x_title="Match weight"),
        Table(
            ("Match weight from", "to", "Pairs"),
            [(f"{r['bin_start']:g}", f"{r['bin_end']:g}", number(r["pairs"])) for r in rows],
        ),
    )
