-- The days follow each other without a gap, and hold every order and every customer up to the as-of date exactly once.
with

daily_kpis as (

    select * from {{ ref('daily_kpis') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

customers as (

    select * from {{ ref('dim_customer') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

sums as (

    select
        count(*) as days,
        {{ dbt.datediff('min(kpi_date)', 'max(kpi_date)', 'day') }} + 1 as expected_days,
        sum(orders) as orders,
        sum(revenue) as revenue,
        sum(new_customers) as new_customers
    from daily_kpis

),

order_sums as (

    select
        count(*) as orders,
        sum(orders.amount_reporting) filter (where orders.is_revenue) as revenue
    from orders
    inner join as_of
        on orders.order_date <= as_of.as_of_date

),

customer_sums as (

    select count(*) as customers
    from customers
    inner join as_of
        on customers.first_seen_on <= as_of.as_of_date

),

problems as (

    select
        'days' as figure,
        days as found,
        expected_days as expected
    from sums
    where days <> expected_days
    union all
    select
        'orders' as figure,
        sums.orders as found,
        order_sums.orders as expected
    from sums
    cross join order_sums
    where coalesce(sums.orders, 0) <> order_sums.orders
    union all
    select
        'revenue' as figure,
        sums.revenue as found,
        order_sums.revenue as expected
    from sums
    cross join order_sums
    where coalesce(sums.revenue, 0) <> coalesce(order_sums.revenue, 0)
    union all
    select
        'new customers' as figure,
        sums.new_customers as found,
        customer_sums.customers as expected
    from sums
    cross join customer_sums
    where coalesce(sums.new_customers, 0) <> customer_sums.customers

)

select * from problems
