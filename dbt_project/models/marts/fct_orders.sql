with

orders as (

    select * from {{ ref('int_orders') }}

),

customer_xref as (

    select * from {{ ref('customer_xref') }}

),

currency_rates as (

    select * from {{ ref('currency_rates') }}

),

reporting_rate as (

    select units_per_euro
    from currency_rates
    where currency = '{{ var("reporting_currency") }}'

),

fct_orders as (

    select
        orders.order_id,
        customer_xref.customer_id,
        orders.record_id,
        orders.ordered_at,
        cast(orders.ordered_at as date) as order_date,
        orders.status,
        orders.channel,
        orders.currency,
        orders.amount,
        cast(
            orders.amount / currency_rates.units_per_euro * reporting_rate.units_per_euro as decimal(14, 2)
        ) as amount_reporting,
        '{{ var("reporting_currency") }}' as reporting_currency,
        orders.items,
        orders.status not in ('cancelled', 'returned') as is_revenue,
        orders.source
    from orders
    left join reporting_rate
        on 1 = 1
    left join customer_xref
        on orders.record_id = customer_xref.record_id
    left join currency_rates
        on orders.currency = currency_rates.currency

)

select * from fct_orders
