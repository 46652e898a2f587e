with

memberships as (

    select * from {{ source('resolution', 'memberships') }}

),

customer_records as (

    select * from {{ ref('int_customer_records') }}

),

customer_xref as (

    select
        memberships.record_id,
        memberships.customer_id,
        records.source,
        records.source_record_id,
        cast(memberships.match_probability as double) as match_probability,
        records.first_load_date,
        records.load_date
    from memberships
    inner join customer_records as records
        on memberships.record_id = records.record_id

)

select * from customer_xref
