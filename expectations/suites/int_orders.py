"""integration.int_orders: the orders of all sources, latest version of each. May be empty: not everybody sells."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput

# 2026-01: no consumer order of the sample or of the CDNOW log is above 30,000; a million is a slipped decimal point.
LARGEST_AMOUNT = 1_000_000


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of integration.int_orders."""
    return [
        checks.not_null("record_id", "the order names the record of who ordered"),
        checks.not_null("amount", "the order has an amount"),
        checks.between("amount", 0, LARGEST_AMOUNT, f"amount is between 0 and {LARGEST_AMOUNT:,}"),
        checks.matches("currency", "^[A-Z]{3}$", "currency is an ISO 4217 code"),
        checks.satisfies(
            "not_from_the_future:ordered_at",
            "ordered_at",
            "ordered_at is not null and ordered_at < load_date + interval 2 day",
            "ordered_at is not after the load date, with two days of tolerance",
        ),
        checks.satisfies(
            "updated_after_ordered",
            "updated_at",
            "updated_at >= ordered_at",
            "updated_at is not before ordered_at",
            severity="warn",
        ),
        checks.between("items", 1, 10_000, "the order has between 1 and 10,000 items", severity="warn"),
        checks.share(
            "orders_of_nothing", "amount = 0", "share of orders with an amount of zero", high=0.5, column="amount"
        ),
        checks.share(
            "reversed_share",
            "status in ('cancelled', 'returned')",
            "share of orders cancelled or returned",
            high=0.5,
            severity="warn",
            column="status",
        ),
        checks.scalar(
            "largest_order_share",
            f"select case when count(*) >= 100 and sum(amount) > 0 then max(amount) / sum(amount) else 0 end"
            f" from {checks.BATCH}",
            "share of the largest order in all amounts, where there are a hundred orders",
            high=0.25,
            severity="warn",
            column="amount",
        ),
    ]
