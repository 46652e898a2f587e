with

customer_events as (

    select * from {{ ref('int_customer_events') }}

),

identity_stitches as (

    select * from {{ ref('identity_stitches') }}

),

customer_xref as (

    select * from {{ ref('customer_xref') }}

),

fct_interactions as (

    select
        events.event_id as interaction_id,
        -- An event that names its record keeps it, even when that record never came or was held back: it is not handed
        -- to whoever else used the browser.
        case
            when events.record_id is not null then customer_xref.customer_id
            else stitches.customer_id
        end as customer_id,
        events.record_id,
        events.anonymous_id,
        case
            when customer_xref.customer_id is not null then 'own_record'
            when events.record_id is null then stitches.stitch_rule
        end as stitch_rule,
        events.event_type as interaction_type,
        events.channel,
        events.occurred_at,
        events.amount,
        events.currency,
        events.source
    from customer_events as events
    left join customer_xref
        on events.record_id = customer_xref.record_id
    left join identity_stitches as stitches
        on events.event_id = stitches.event_id

)

select * from fct_interactions
