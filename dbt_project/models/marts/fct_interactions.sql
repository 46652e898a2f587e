with

customer_events as (

    select * from {{ ref('int_customer_events') }}

),

record_identifiers as (

    select * from {{ ref('int_record_identifiers') }}

),

customer_xref as (

    select * from {{ ref('customer_xref') }}

),

customers_of_visitors as (

    -- Two records may have used one browser and yet be one person, which shows only after resolution.
    select
        identifiers.identifier as anonymous_id,
        min(customer_xref.customer_id) as customer_id
    from record_identifiers as identifiers
    inner join customer_xref
        on identifiers.record_id = customer_xref.record_id
    where identifiers.identifier_type = 'anonymous_id'
    group by identifiers.identifier
    having count(distinct customer_xref.customer_id) = 1

),

fct_interactions as (

    select
        events.event_id as interaction_id,
        case
            when events.record_id is not null then customer_xref.customer_id
            else customers_of_visitors.customer_id
        end as customer_id,
        events.record_id,
        events.anonymous_id,
        events.event_type as interaction_type,
        events.channel,
        events.occurred_at,
        events.amount,
        events.currency,
        events.source
    from customer_events as events
    left join customer_xref
        on events.record_id = customer_xref.record_id
    left join customers_of_visitors
        on events.anonymous_id = customers_of_visitors.anonymous_id

)

select * from fct_interactions
