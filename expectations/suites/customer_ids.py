"""resolution.customer_ids: an id has one life, and every retired one leads to a living one or to nobody."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of resolution.customer_ids."""
    return [
        checks.matches("customer_id", "^cus_[0-9a-z]{20}$", "customer_id is cus_ and twenty letters or digits"),
        checks.scalar(
            "ids_given_twice",
            f"select count(*) - count(distinct customer_id) from {checks.BATCH}",
            "customer ids that stand more than once",
            high=0,
        ),
        checks.scalar(
            "living_without_records",
            f"""
            select count(*) from {checks.BATCH} as ids
            where ids.retired_on is null
                and ids.customer_id not in (select customer_id from resolution.memberships)
            """,
            "living ids without any record (memberships held back by their gate)",
            high=0,
            severity="warn",
        ),
        checks.scalar(
            "retired_with_records",
            f"""
            select count(*) from {checks.BATCH} as ids
            where ids.retired_on is not null
                and ids.customer_id in (select customer_id from resolution.memberships)
            """,
            "retired ids that still have records",
            high=0,
        ),
        checks.scalar(
            "redirects_to_nowhere",
            f"""
            select count(*) from {checks.BATCH} as ids
            where ids.current_customer_id is not null
                and ids.current_customer_id not in (
                    select living.customer_id from {checks.BATCH} as living where living.retired_on is null
                )
            """,
            "ids that lead to one that does not live",
            high=0,
        ),
        checks.scalar(
            "published_ids_that_disappeared",
            f"""
            select count(*) from resolution.accepted_customer_ids as published
            where published.customer_id not in (select customer_id from {checks.BATCH})
            """,
            "ids that were published and are not known any more",
            high=0,
        ),
    ]
