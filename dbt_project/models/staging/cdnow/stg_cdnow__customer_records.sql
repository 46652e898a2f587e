{{ config(enabled = source_is_active('cdnow')) }}

with

purchases as (

    select * from {{ source('raw', 'cdnow__purchases') }}

),

records as (

    -- The log knows its customers by number only: nothing to match on, so each stays a person of its own.
    select
        'cdnow:' || customer_id as record_id,
        'cdnow' as source,
        cast(customer_id as string) as source_record_id,
        {% for column in ['given_name', 'middle_name', 'family_name'] -%}
            cast(null as string) as {{ column }},
        {% endfor -%}
        cast(null as date) as birth_date,
        {% for column in [
            'gender', 'email', 'phone', 'street', 'unit', 'city', 'region', 'postcode', 'country', 'national_id'
        ] -%}
            cast(null as string) as {{ column }},
        {% endfor -%}
        cast(max(purchased_on) as timestamp) as updated_at,
        max(_load_date) as load_date,
        min(_load_date) as first_load_date
    from purchases
    where customer_id is not null
    group by customer_id

)

select * from records
