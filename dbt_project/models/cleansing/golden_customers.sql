with

memberships as (

    select * from {{ source('resolution', 'memberships') }}

),

golden_field_values as (

    select * from {{ ref('golden_field_values') }}

),

customers as (

    select distinct customer_id from memberships

),

golden_rows as (

    select
        customer_id,
        {%- for field in [
            'given_name', 'middle_name', 'family_name', 'birth_date', 'gender', 'email', 'phone', 'street', 'unit',
            'city', 'region', 'postcode', 'country', 'national_id'
        ] %}
        max(value) filter (where field = '{{ field }}') as {{ field }}{{ ',' if not loop.last }}
    {%- endfor %}
    from golden_field_values
    group by customer_id

),

golden_customers as (

    select
        customers.customer_id,
        golden.given_name,
        golden.middle_name,
        golden.family_name,
        cast(golden.birth_date as date) as birth_date,
        golden.gender,
        golden.email,
        golden.phone,
        golden.street,
        golden.unit,
        golden.city,
        golden.region,
        golden.postcode,
        golden.country,
        golden.national_id
    from customers
    left join golden_rows as golden
        on customers.customer_id = golden.customer_id

)

select * from golden_customers
