"""integration.int_consent_events: who allowed or forbade what, and when. May be empty."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput
from orchestration.sources.contract import LEGAL_BASES


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of integration.int_consent_events."""
    return [
        checks.not_null("purpose", "the answer names the purpose that it is about"),
        checks.not_null("channel", "the answer names the channel that it is about"),
        checks.not_null("legal_basis", "the answer names its legal basis"),
        checks.one_of("legal_basis", sorted(LEGAL_BASES), "legal_basis is one of GDPR article 6(1)"),
        checks.satisfies(
            "not_from_the_future:occurred_at",
            "occurred_at",
            "occurred_at is not null and occurred_at < load_date + interval 2 day",
            "occurred_at is not after the load date, with two days of tolerance",
        ),
        checks.scalar(
            "contradictions",
            f"""
            with answers as (
                select record_id, purpose, channel, occurred_at, count(distinct status) as statuses
                from {checks.BATCH} group by all
            )
            select coalesce(avg(case when statuses > 1 then 1.0 else 0.0 end), 0) from answers
            """,
            "share of answers that say granted and withdrawn at the same moment",
            high=0.01,
        ),
        checks.scalar(
            "withdrawals_arrive",
            f"""
            select case when count(*) >= 1000 then count(*) filter (where status = 'withdrawn') else 1 end
            from {checks.BATCH}
            """,
            "withdrawals among a thousand answers or more: none at all means that they are lost on the way",
            low=1,
            severity="block",
            column="status",
        ),
    ]
