"""resolution.id_events: every change of an id is told, once, with its cause."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of resolution.id_events."""
    return [
        checks.matches("event_id", "^evt_[0-9a-f]{20}$", "event_id is evt_ and twenty hexadecimal digits"),
        checks.one_of("kind", ("minted", "merged", "split", "retired"), "the kind of event is known"),
        checks.one_of("cause", ("record", "judgement", "model", "erasure"), "the cause of an event is known"),
        checks.scalar(
            "events_told_twice",
            f"select count(*) - count(distinct event_id) from {checks.BATCH}",
            "events that stand more than once",
            high=0,
        ),
        checks.scalar(
            "without_the_other_customer",
            f"""
            select count(*) from {checks.BATCH}
            where (kind in ('merged', 'split')) <> (other_customer_id is not null)
            """,
            "merges and splits that do not name the other customer, or other events that do",
            high=0,
        ),
        checks.scalar(
            "ends_untold",
            f"""
            select count(*) from resolution.customer_ids as ids
            where ids.retired_on is not null
                and ids.customer_id not in (
                    select events.customer_id from {checks.BATCH} as events where events.kind in ('merged', 'retired')
                )
            """,
            "retired ids without an event that says so",
            high=0,
        ),
        checks.scalar(
            "beginnings_untold",
            f"""
            select count(*) from resolution.customer_ids as ids
            where ids.record_id is not null
                and ids.customer_id not in (
                    select events.customer_id from {checks.BATCH} as events where events.kind = 'minted'
                )
            """,
            "ids without an event that says when they were given",
            high=0,
        ),
    ]
