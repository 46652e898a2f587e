with

consent_events as (

    select * from {{ ref('int_consent_events') }}

),

carried_refusals as (

    select * from {{ source('resolution', 'carried_refusals') }}

),

customer_xref as (

    select * from {{ ref('customer_xref') }}

),

all_answers as (

    select
        consent_event_id,
        record_id,
        purpose,
        channel,
        status,
        legal_basis,
        occurred_at,
        source
    from consent_events
    union all
    -- What a customer refused before a split binds the part that split off, until that part grants anew.
    select
        'carried:' || record_id as consent_event_id,
        record_id,
        purpose,
        channel,
        'withdrawn' as status,
        legal_basis,
        occurred_at,
        'carried' as source
    from carried_refusals
    where kind = 'consent'

),

customer_consent_events as (

    select
        customer_xref.customer_id,
        events.*,
        case when events.status = 'withdrawn' then 1 else 0 end as is_withdrawal
    from all_answers as events
    inner join customer_xref
        on events.record_id = customer_xref.record_id

),

record_answers as (

    -- Within one record the person changed their mind: the answer given last counts, whenever it arrived. Of two
    -- answers at the same moment the stricter one counts.
    select *
    from (
        select
            *,
            row_number() over (
                partition by record_id, purpose, channel
                order by occurred_at desc, is_withdrawal desc, consent_event_id asc
            ) as place_within_record
        from customer_consent_events
    ) as ordered_events
    where place_within_record = 1

),

customer_answers as (

    -- Between records nobody knows whether the later answer was meant to lift the earlier: any withdrawal stands.
    select
        *,
        row_number() over (
            partition by customer_id, purpose, channel
            order by is_withdrawal desc, occurred_at desc, record_id asc
        ) as strictness,
        min(is_withdrawal) over (partition by customer_id, purpose, channel)
        <> max(is_withdrawal) over (partition by customer_id, purpose, channel) as conflicting
    from record_answers

),

fct_consent as (

    select
        customer_id,
        purpose,
        channel,
        status,
        legal_basis,
        occurred_at as decided_at,
        source,
        record_id,
        conflicting
    from customer_answers
    where strictness = 1

)

select * from fct_consent
