"""integration.int_customer_events: every channel's events on one shape. May be empty."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of integration.int_customer_events."""
    return [
        checks.not_null("event_type", "the event has a type"),
        checks.satisfies(
            "somebody_did_it",
            "record_id",
            "record_id is not null or anonymous_id is not null",
            "the event has a record or an anonymous visitor",
        ),
        checks.satisfies(
            "not_from_the_future:occurred_at",
            "occurred_at",
            "occurred_at is not null and occurred_at < load_date + interval 2 day",
            "occurred_at is not after the load date, with two days of tolerance",
        ),
        checks.satisfies(
            "amount_has_currency",
            "amount",
            "amount is null or currency is not null",
            "an event with an amount says in which currency",
            severity="warn",
        ),
        checks.scalar(
            "unidentified_share",
            f"select case when count(*) >= 1000 then avg(case when record_id is null then 1.0 else 0.0 end) else 0 end"
            f" from {checks.BATCH}",
            "share of events that belong to no record, where there are a thousand: at one the link to records is broken",
            high=0.999,
            column="record_id",
        ),
        checks.scalar(
            "busiest_visitor_share",
            f"""
            with visitors as (
                select coalesce(record_id, anonymous_id) as visitor, count(*) as events from {checks.BATCH} group by 1
            )
            select case when sum(events) >= 1000 then max(events) / sum(events) else 0 end from visitors
            """,
            "share of the busiest visitor in all events, where there are a thousand: a robot or a lost identifier",
            high=0.2,
            severity="warn",
        ),
    ]
