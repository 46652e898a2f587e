with

restrictions as (

    select * from {{ source('integration', 'ledger_restrictions') }}

),

carried_refusals as (

    select * from {{ source('resolution', 'carried_refusals') }}

),

customer_xref as (

    select * from {{ ref('customer_xref') }}

),

decisions as (

    select
        record_id,
        purpose,
        occurred_at,
        case when status = 'restricted' then 1 else 0 end as is_restricted
    from restrictions
    union all
    select
        record_id,
        purpose,
        occurred_at,
        1 as is_restricted
    from carried_refusals
    where kind = 'restriction'

),

record_decisions as (

    -- Within one record the last decision counts, of two at one moment the stricter.
    select *
    from (
        select
            *,
            row_number() over (
                partition by record_id, purpose
                order by occurred_at desc, is_restricted desc
            ) as place_within_record
        from decisions
    ) as ordered_decisions
    where place_within_record = 1

),

fct_restriction as (

    -- Between records any restriction binds the customer.
    select
        customer_xref.customer_id,
        record_decisions.purpose,
        min(record_decisions.occurred_at) as restricted_at
    from record_decisions
    inner join customer_xref
        on record_decisions.record_id = customer_xref.record_id
    where record_decisions.is_restricted = 1
    group by
        customer_xref.customer_id,
        record_decisions.purpose

)

select * from fct_restriction
