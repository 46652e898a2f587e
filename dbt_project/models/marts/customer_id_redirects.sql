with

customer_ids as (

    select * from {{ source('resolution', 'customer_ids') }}

),

customer_id_redirects as (

    select
        customer_id,
        current_customer_id,
        retired_on,
        cause
    from customer_ids
    where retired_on is not null

)

select * from customer_id_redirects
