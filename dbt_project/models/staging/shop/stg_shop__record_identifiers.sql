{{ config(enabled = source_is_active('shop')) }}

with

customers as (

    select * from {{ source('raw', 'shop__customers') }}

),

user_ids as (

    -- The web shop signs its visitors in under the customer id of the shop.
    select
        'shop:' || customer_id as record_id,
        'user_id' as identifier_type,
        customer_id as identifier,
        min(registered_at) as first_seen_at,
        max(updated_at) as last_seen_at
    from customers
    group by 1, 2, 3

)

select * from user_ids
