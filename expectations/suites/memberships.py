"""resolution.memberships: every record has exactly one customer, and no customer swallows the others."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput

# 2026-01: the people with most records have 30 in the sample (seven sources, several devices) and about 20 in the
# benchmark of Wikidata's people. A cluster above 50 wants a look; above 200 it is a chain through a shared value, and
# publishing it would show one person's data to many. Consequence: the run stops until a rule or a judgement splits it.
CLUSTER_WARNS = 50
CLUSTER_BLOCKS = 200
_LARGEST = f"""
    with clusters as (select customer_id, count(*) as records from {checks.BATCH} group by customer_id)
    select coalesce(max(records), 0) from clusters
"""


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of resolution.memberships."""
    return [
        checks.matches("customer_id", "^cus_[0-9a-z]{20}$", "customer_id is cus_ and twenty letters or digits"),
        checks.between("match_probability", 0, 1, "match_probability lies between 0 and 1"),
        checks.scalar(
            "records_without_customer",
            f"""
            select count(*)
            from cleansing.standardised_records as records
            where records.record_id not in (select record_id from {checks.BATCH} where customer_id is not null)
                and records.record_id not in (select row_key from quarantine.memberships)
            """,
            "standardised records without a customer",
            high=0,
        ),
        checks.scalar(
            "unknown_records",
            f"""
            select count(*) from {checks.BATCH} as memberships
            where memberships.record_id not in (select record_id from cleansing.standardised_records)
            """,
            "memberships of records that do not exist",
            high=0,
        ),
        checks.scalar(
            "records_with_two_customers",
            f"select count(*) - count(distinct record_id) from {checks.BATCH}",
            "memberships beyond one per record",
            high=0,
        ),
        checks.scalar("largest_cluster", _LARGEST, "records of the largest customer", high=CLUSTER_BLOCKS),
        checks.scalar(
            "large_cluster",
            _LARGEST,
            "records of the largest customer, to look at",
            high=CLUSTER_WARNS,
            severity="warn",
        ),
        checks.scalar(
            "customers_per_record",
            f"select case when count(*) >= 100 then count(distinct customer_id) / count(*) else 1 end from {checks.BATCH}",
            "customers per record, where there are a hundred records: near zero everybody was merged",
            low=0.02,
        ),
    ]
