"""The report's sections: which figures it has, in which order, under which headings.

Belongs here: the order. To add a figure, write it in `report_people.py` or `report_health.py` and name it here.
"""

from orchestration.publishing import report_facts as figures
from orchestration.publishing import report_health as health
from orchestration.publishing import report_people as people
from orchestration.publishing.report_facts import Facts
from orchestration.publishing.report_figure import Section


def build_sections(facts: Facts, match_threshold: float | None) -> list[Section]:
    """Every section, in reading order, drawn from the facts; the threshold is a match weight."""
    currency = main_currency(facts)
    return [
        Section("customers", "Customers", (people.customers_known(facts), people.first_activity(facts))),
        Section(
            "sources",
            "Sources and identity",
            (
                people.records_per_source(facts),
                people.records_per_customer(facts),
                people.combinations(facts),
                people.match_weights(facts, match_threshold),
            ),
        ),
        Section(
            "quality", "Data quality", (health.check_trend(facts), health.quarantined(facts), health.open_checks(facts))
        ),
        Section("value", "Value", (health.sales(facts, currency), health.rfm(facts, currency))),
        Section("consent", "Consent", (health.consent(facts),)),
    ]


def main_currency(facts: Facts) -> str:
    """The currency of most orders, empty when there are none."""
    found = figures.revenue_by_currency(facts)
    return (found[0]["currency"] or "") if found else ""
