{{ config(enabled = source_is_active('shop')) }}

with

orders as (

    select * from {{ source('raw', 'shop__orders') }}

),

latest_orders as (

    {{ latest_delta('orders', 'order_id', 'updated_at') }}

),

shop_orders as (

    select
        'shop:' || order_id as order_id,
        'shop:' || customer_id as record_id,
        ordered_at,
        updated_at,
        status,
        channel,
        upper(currency) as currency,
        amount,
        items,
        'shop' as source,
        _load_date as load_date
    from latest_orders

)

select * from shop_orders
