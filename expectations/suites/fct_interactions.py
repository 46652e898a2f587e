"""marts.fct_interactions: every channel on one timeline."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput

_HELD_BACK = "(select row_key from quarantine.fct_interactions)"


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of marts.fct_interactions."""
    return [
        checks.satisfies(
            "visitor_is_known",
            "anonymous_id",
            "customer_id is not null or record_id is not null or anonymous_id is not null",
            "the interaction has a customer, a record or a visitor",
        ),
        checks.not_null("occurred_at", "the interaction has a time"),
        checks.scalar(
            "events_reconcile",
            f"""
            select (select count(*) from integration.int_customer_events where event_id not in {_HELD_BACK})
                - (select count(*) from {checks.BATCH} where interaction_id not in {_HELD_BACK})
            """,
            "events of integration.int_customer_events that fct_interactions does not account for",
            low=0,
            high=0,
        ),
        checks.scalar(
            "records_without_customer",
            f"""
            select count(*) from {checks.BATCH}
            where customer_id is null and record_id in (select record_id from resolution.memberships)
            """,
            "interactions of a resolved record that have no customer",
            high=0,
            column="customer_id",
        ),
    ]
