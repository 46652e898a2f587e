"""marts.fct_orders: the orders of integration, each with its customer, and not a cent more or less."""

from great_expectations.expectations.expectation import Expectation

from expectations import checks
from expectations.suites import SuiteInput

_HELD_BACK = "(select row_key from quarantine.fct_orders)"


def build(_: SuiteInput) -> list[Expectation]:
    """Expectations of marts.fct_orders."""
    return [
        checks.satisfies(
            "order_date_is_of_ordered_at",
            "order_date",
            "order_date = ordered_at::date",
            "order_date is the day of ordered_at",
        ),
        checks.satisfies(
            "converted_where_needed",
            "amount_reporting",
            "amount is null or amount_reporting is not null",
            "the amount is converted to the reporting currency",
        ),
        checks.scalar(
            "amounts_reconcile",
            f"""
            with given as (
                select coalesce(sum(amount), 0) as total from integration.int_orders where order_id not in {_HELD_BACK}
            ),
            kept as (
                select coalesce(sum(amount), 0) as total from {checks.BATCH} where order_id not in {_HELD_BACK}
            )
            select given.total - kept.total from given, kept
            """,
            "amounts of integration.int_orders that fct_orders does not account for",
            low=0,
            high=0,
            column="amount",
        ),
        checks.scalar(
            "orders_reconcile",
            f"""
            select (select count(*) from integration.int_orders where order_id not in {_HELD_BACK})
                - (select count(*) from {checks.BATCH} where order_id not in {_HELD_BACK})
            """,
            "orders of integration.int_orders that fct_orders does not account for",
            low=0,
            high=0,
        ),
        checks.scalar(
            "orders_without_customer",
            f"select case when count(*) >= 100 then avg(case when customer_id is null then 1.0 else 0.0 end) else 0 end"
            f" from {checks.BATCH}",
            "share of orders without a customer, where there are a hundred",
            high=0.2,
            column="customer_id",
        ),
        checks.share(
            "few_orders_without_customer",
            "customer_id is null",
            "share of orders without a customer, to look at",
            high=0.02,
            severity="warn",
            column="customer_id",
        ),
    ]
