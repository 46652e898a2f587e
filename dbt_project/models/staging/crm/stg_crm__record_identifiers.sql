{{ config(enabled = source_is_active('crm')) }}

with

contacts as (

    select * from {{ source('raw', 'crm__contacts') }}

),

loyalty_numbers as (

    select
        'crm:' || contact_id as record_id,
        'loyalty_number' as identifier_type,
        {{ blank_to_null('loyalty_no') }} as identifier,
        min(created_at) as first_seen_at,
        max(updated_at) as last_seen_at
    from contacts
    where {{ blank_to_null('loyalty_no') }} is not null
    group by 1, 2, 3

)

select * from loyalty_numbers
