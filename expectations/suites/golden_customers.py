"""cleansing.golden_customers: one row per customer with the values that survived."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput

# 2026-01: parents and children share an address; more customers than a large household on one e-mail address means that
# matching left one person apart, or that a placeholder survived.
CUSTOMERS_PER_EMAIL = 10


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of cleansing.golden_customers."""
    return [
        checks.matches("customer_id", "^cus_[0-9a-z]{20}$", "customer_id is cus_ and twenty letters or digits"),
        checks.matches("email", r"^[^@\s]+@[^@\s]+$", "the golden e-mail has the form name@domain", severity="warn"),
        checks.matches("country", "^[A-Z]{2}$", "country is an ISO 3166 two-letter code", severity="warn"),
        checks.scalar(
            "customers_lost",
            f"""
            select count(distinct customer_id)
            from resolution.memberships
            where customer_id not in (select customer_id from {checks.BATCH})
                and customer_id not in (select row_key from quarantine.golden_customers)
            """,
            "customers without a golden row",
            high=0,
        ),
        checks.scalar(
            "values_lost",
            f"""
            with known as (
                select count(distinct memberships.customer_id) as n
                from resolution.memberships
                inner join cleansing.standardised_records as records on records.record_id = memberships.record_id
                where records.email is not null
            ),
            golden as (select count(email) as n from {checks.BATCH})
            select case when known.n >= 100 then 1.0 - golden.n / known.n else 0 end from known, golden
            """,
            "share of customers with an e-mail address on some record and none in the golden row",
            high=0.05,
            column="email",
        ),
        checks.scalar(
            "customers_per_email",
            f"""
            with emails as (select count(*) as n from {checks.BATCH} where email is not null group by email)
            select coalesce(max(n), 0) from emails
            """,
            "customers who share the commonest e-mail address",
            high=CUSTOMERS_PER_EMAIL,
            severity="warn",
            column="email",
        ),
    ]
