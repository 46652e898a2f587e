"""marts.customer_360: the one row per customer that campaigns and reports read."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput

_FLAGS = (
    ("email_marketing_allowed", "marketing", "email"),
    ("sms_marketing_allowed", "marketing", "sms"),
)


def _only_with_consent(flag: str, purpose: str, channel: str) -> Expectation:
    return checks.scalar(
        f"{flag}_without_consent",
        f"""
        select count(*) from {checks.BATCH} as customers
        where customers.{flag} and customers.customer_id not in (
            select customer_id from marts.fct_consent
            where purpose = '{purpose}' and channel = '{channel}' and status = 'granted'
        )
        """,
        f"customers with {flag} and no standing consent",
        high=0,
        column=flag,
    )


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of marts.customer_360."""
    return [
        checks.not_null("email_marketing_allowed", "whether e-mail marketing is allowed is known"),
        checks.not_null("sms_marketing_allowed", "whether SMS marketing is allowed is known"),
        checks.not_null("profiling_allowed", "whether profiling is allowed is known"),
        checks.satisfies(
            "order_dates_are_in_order",
            "first_order_date",
            "first_order_date <= last_order_date",
            "the first order is not after the last",
        ),
        checks.satisfies("revenue_is_not_negative", "revenue", "revenue >= 0", "revenue is not negative"),
        *(_only_with_consent(*flag) for flag in _FLAGS),
        checks.scalar(
            "customers_lost",
            f"""
            select count(*)
            from marts.dim_customer
            where customer_id not in (select customer_id from {checks.BATCH})
                and customer_id not in (select row_key from quarantine.customer_360)
            """,
            "customers of dim_customer that customer_360 lost",
            high=0,
        ),
        checks.scalar(
            "revenue_reconciles",
            f"""
            with given as (
                select coalesce(sum(amount_reporting), 0) as total
                from marts.fct_orders
                where is_revenue and customer_id in (select customer_id from {checks.BATCH})
            ),
            kept as (select coalesce(sum(revenue), 0) as total from {checks.BATCH})
            select given.total - kept.total from given, kept
            """,
            "revenue of fct_orders that customer_360 does not account for",
            low=-0.005,
            high=0.005,
            column="revenue",
        ),
    ]
