"""marts.fct_consent: what each customer allows, for a purpose and a channel; the strictest answer wins."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of marts.fct_consent."""
    return [
        checks.not_null("decided_at", "the answer says when it was given"),
        checks.not_null("legal_basis", "the answer names its legal basis"),
        checks.scalar(
            "withdrawals_overruled",
            f"""
            with last_answers as (
                select memberships.customer_id, events.purpose, events.channel, events.record_id, events.status
                from integration.int_consent_events as events
                inner join resolution.memberships as memberships on memberships.record_id = events.record_id
                qualify row_number() over (
                    partition by events.record_id, events.purpose, events.channel
                    order by events.occurred_at desc, events.status desc
                ) = 1
            )
            select count(*)
            from {checks.BATCH} as consent
            inner join last_answers on last_answers.customer_id = consent.customer_id
                and last_answers.purpose = consent.purpose
                and last_answers.channel = consent.channel
            where consent.status = 'granted' and last_answers.status = 'withdrawn'
            """,
            "consents granted against a standing withdrawal of one of the customer's records",
            high=0,
            column="status",
        ),
        checks.share(
            "conflicting_share",
            "conflicting",
            "share of answers on which the customer's records disagree",
            high=0.2,
            severity="warn",
            column="conflicting",
        ),
    ]
