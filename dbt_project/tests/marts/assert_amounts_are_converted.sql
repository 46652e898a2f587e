-- An order in a currency without a rate is missing from every sum. Add the rate to seeds/marts/currency_rates.csv.
with

orders as (

    select * from {{ ref('fct_orders') }}

)

select
    order_id,
    currency,
    amount,
    reporting_currency
from orders
where amount is not null and amount_reporting is null
