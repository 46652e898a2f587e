"""The report: one page that shows what the warehouse holds and how good it is.

Belongs here: gathering the headline, filling the template, writing the page whole. Does not belong here: figures
(`report_facts.py`), charts (`report_charts.py`), sections (`report_sections.py`), looks (`templates/`).

The page stands alone: styles, script and drawings are inside it, and its content security policy forbids every request.
It holds aggregates only and no clock time, so that the same warehouse gives the same page.
"""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import duckdb

from orchestration.publishing import report_facts as figures
from orchestration.publishing.errors import PublishingError
from orchestration.publishing.files import replacing
from orchestration.publishing.report_facts import Facts
from orchestration.publishing.report_sections import build_sections
from orchestration.publishing.report_words import day, money, number, percent, plural, short_money, with_code
from orchestration.warehouse import connect

FILE_NAME = "report.html"


@dataclass(frozen=True)
class Headline:
    """One number at the top of the page. `tone` is empty, `good`, `warn` or `bad`."""

    label: str
    value: str
    note: str
    tone: str = ""


@dataclass(frozen=True)
class Step:
    """One step of the way from files to people."""

    label: str
    value: str
    note: str


def build_report(
    warehouse: Path,
    out: Path,
    *,
    title: str = "Kindred",
    run_id: str | None = None,
    match_threshold: float | None = None,
) -> Path:
    """Write the report page, replacing the one before in one step.

    Args:
        warehouse: the working DuckDB file.
        out: the page, such as `data/published/report.html`; a folder gets `report.html` in it.
        title: name of the company or project, shown at the top.
        run_id: the run that made the data, shown at the foot.
        match_threshold: the linkage model's threshold as a match weight (log2 of the odds), drawn into the chart of
            match weights.

    Returns:
        Where the page lies.

    Raises:
        PublishingError: there is no warehouse, or it or the page could not be read or written.
        orchestration.warehouse.WarehouseLockedError: another process holds the working file.
    """
    target = out / FILE_NAME if out.is_dir() else out
    if not warehouse.exists():
        raise PublishingError(f"There is no warehouse at {warehouse}. Run `kindred run` first.")
    try:
        with connect(warehouse) as connection:
            page = _render(Facts(connection), title, run_id, match_threshold)
        with replacing(target) as building:
            building.write_text(page, encoding="utf-8")
    except (duckdb.Error, OSError) as error:
        raise PublishingError(f"The report could not be made: {error}. The one before is still in place.") from error
    return target


def _render(facts: Facts, title: str, run_id: str | None, match_threshold: float | None) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("orchestration.publishing"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = with_code
    totals = figures.totals(facts)
    templates = resources.files("orchestration.publishing") / "templates"
    return environment.get_template("report.html.j2").render(
        title=title,
        run_id=run_id,
        first_day=day(totals["first_day"]),
        last_day=day(totals["last_day"]) if totals["last_day"] else None,
        lede=_lede(facts, totals),
        headlines=_headlines(facts, totals),
        steps=_steps(facts, totals),
        sections=build_sections(facts, match_threshold),
        style=(templates / "report.css").read_text(encoding="utf-8"),
        script=(templates / "report.js").read_text(encoding="utf-8"),
    )


def _lede(facts: Facts, totals: figures.Row) -> str:
    if not totals["records"]:
        return "No customers yet. Collect a source and run the pipeline, and this page fills itself."
    origin = plural(totals["sources"] or 0, "source")
    merged = totals["records"] - (totals["customers"] or 0)
    if merged > 0:
        return f"{plural(totals['records'], 'record')} from {origin} turned out to be {number(totals['customers'])} people."
    return f"{plural(totals['records'], 'record')} from {origin}, each a different person."


def _headlines(facts: Facts, totals: figures.Row) -> list[Headline]:
    records, customers = totals["records"], totals["customers"]
    merged = records - customers if records is not None and customers is not None else None
    revenue = figures.revenue_by_currency(facts)
    checks = figures.check_trend(facts)
    held_back = figures.quarantined(facts)
    return [
        Headline("Customers", number(customers), "people in the customer table"),
        Headline(
            "Source records",
            number(records),
            f"from {plural(totals['sources'], 'source')}" if totals["sources"] else "no source yet",
        ),
        Headline(
            "Duplicates merged",
            number(merged),
            f"{percent(merged, records)} of records; {plural(totals['shared_customers'], 'person')}".replace(
                "persons", "people"
            )
            + " seen more than once"
            if merged and records
            else "no record shares a person with another",
        ),
        Headline(
            "Orders",
            number(totals["orders"]),
            f"by {plural(totals['buyers'], 'customer')}" if totals["orders"] else "no orders yet",
        ),
        Headline(
            "Revenue",
            short_money(revenue[0]["revenue"], revenue[0]["currency"] or "") if revenue else "–",
            _other_currencies(revenue),
        ),
        _checks_headline(checks),
        Headline(
            "Rows held back",
            number(sum(row["rows"] for row in held_back)),
            f"of {number(totals['rows_landed'])} landed, kept in quarantine"
            if totals["rows_landed"]
            else "in quarantine",
            "warn" if held_back else "good",
        ),
    ]


def _other_currencies(revenue: list[figures.Row]) -> str:
    if not revenue:
        return "no orders yet"
    if len(revenue) == 1:
        unconverted = revenue[0]["unconverted"]
        return (
            f"without {plural(unconverted, 'order')} in other currencies"
            if unconverted
            else "not cancelled, not returned"
        )
    others = [money(row["revenue"], row["currency"] or "") for row in revenue[1:3]]
    more = f" and {len(revenue) - 3} more" if len(revenue) > 3 else ""
    return f"and {', '.join(others)}{more}, not added up"


def _checks_headline(checks: list[figures.Row]) -> Headline:
    if not checks:
        return Headline("Checks passed", "–", "no gate has run yet")
    newest = checks[-1]
    run = sum(newest[name] for name in ("passed", "held", "warned", "failed", "unevaluated"))
    bad, doubtful = newest["failed"] + newest["unevaluated"], newest["held"] + newest["warned"]
    notes = [day(newest["period"])]
    notes += [f"{number(bad)} failed"] if bad else []
    notes += [f"{number(newest['held'])} held rows back"] if newest["held"] else []
    tone = "bad" if bad else "warn" if doubtful else "good"
    return Headline("Checks passed", f"{number(newest['passed'])} / {number(run)}", "; ".join(notes), tone)


def _steps(facts: Facts, totals: figures.Row) -> list[Step]:
    """The way from files to people, as far as its numbers are known."""
    held_back = sum(row["rows"] for row in figures.quarantined(facts))
    steps = []
    if totals["rows_landed"]:
        steps.append(
            Step(
                "Rows landed", number(totals["rows_landed"]), f"{day(totals['first_day'])} to {day(totals['last_day'])}"
            )
        )
        steps.append(Step("Held back", number(held_back), "failed a check"))
    if totals["records"]:
        steps.append(Step("Customer records", number(totals["records"]), "newest version of each"))
    if totals["customers"]:
        steps.append(Step("People", number(totals["customers"]), "after matching"))
    return steps if len(steps) > 1 else []
