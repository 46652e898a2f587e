{{ config(enabled = source_is_active('shop')) }}

with

customers as (

    select * from {{ source('raw', 'shop__customers') }}

),

latest_customers as (

    {{ latest_delta('customers', 'customer_id', 'updated_at') }}

),

records as (

    select
        'shop:' || customers.customer_id as record_id,
        'shop' as source,
        customers.customer_id as source_record_id,
        customers.given_name,
        cast(null as string) as middle_name,
        customers.surname as family_name,
        customers.birth_date,
        cast(null as string) as gender,
        customers.email,
        customers.phone,
        customers.street_address as street,
        customers.apartment as unit,
        customers.town as city,
        customers.county as region,
        customers.zip as postcode,
        customers.country_code as country,
        cast(null as string) as national_id,
        customers.updated_at,
        customers._load_date as load_date,
        customers.first_load_date
    from latest_customers as customers

)

select * from records
