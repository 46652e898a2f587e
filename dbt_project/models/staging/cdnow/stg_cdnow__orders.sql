{{ config(enabled = source_is_active('cdnow')) }}

with

purchases as (

    select * from {{ source('raw', 'cdnow__purchases') }}

),

latest_purchases as (

    {{ latest_delta('purchases', 'line_no', '_load_date') }}

),

orders as (

    -- CDNOW was a mail-order shop on the web, in the United States; its log holds completed purchases only.
    select
        'cdnow:' || line_no as order_id,
        'cdnow:' || customer_id as record_id,
        cast(purchased_on as timestamp) as ordered_at,
        cast(purchased_on as timestamp) as updated_at,
        'shipped' as status,
        'web' as channel,
        'USD' as currency,
        amount,
        quantity as items,
        'cdnow' as source,
        _load_date as load_date
    from latest_purchases

)

select * from orders
