"""marts.dim_customer: the customers that analysts see."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of marts.dim_customer."""
    return [
        checks.satisfies(
            "counts_are_sound",
            "record_count",
            "record_count >= source_count and source_count >= 1",
            "a customer has at least one source, and at least one record of each",
        ),
        checks.satisfies(
            "sources_are_listed",
            "sources",
            "source_count = len(string_split(sources, ','))",
            "sources lists as many sources as source_count says",
        ),
        checks.not_null("first_seen_on", "the day on which the customer was first seen is known", severity="warn"),
        checks.scalar(
            "customers_lost",
            f"""
            select count(*)
            from cleansing.golden_customers
            where customer_id not in (select customer_id from {checks.BATCH})
                and customer_id not in (select row_key from quarantine.dim_customer)
            """,
            "golden customers that dim_customer lost",
            high=0,
        ),
        checks.scalar(
            "records_lost",
            f"""
            with counted as (
                select coalesce(sum(record_count), 0) as n from {checks.BATCH}
            ),
            members as (
                select count(*) as n
                from resolution.memberships
                where customer_id in (select customer_id from {checks.BATCH})
                    and record_id in (select record_id from integration.int_customer_records)
            )
            select abs(counted.n - members.n) from counted, members
            """,
            "records in memberships that the customers' record counts do not account for",
            high=0,
        ),
        checks.share(
            "nameless_share",
            "given_name is null and family_name is null",
            "share of customers without any name",
            high=0.8,
            severity="warn",
        ),
    ]
