{{ config(enabled = source_is_active('web')) }}

with

events as (

    select * from {{ source('raw', 'web__events') }}

),

distinct_events as (

    -- Collectors send an event again when they got no answer: the message id tells.
    {{ latest_delta('events', 'message_id', 'event_at') }}

),

customer_events as (

    select
        'web:' || message_id as event_id,
        case
            when {{ blank_to_null('user_id') }} is not null then 'web:u-' || user_id
            when
                type = 'identify'
                and coalesce(trait_email, trait_first_name, trait_last_name, trait_phone) is not null
                then 'web:a-' || anonymous_id
        end as record_id,
        case
            when type = 'track' then trim({{ replace_all('lower(event_name)', '[^a-z0-9]+', '_') }}, '_')
            when type = 'page' then 'page_viewed'
            else type
        end as event_type,
        case when lower(device_type) in ('ios', 'android') then 'app' else 'web' end as channel,
        event_at as occurred_at,
        case
            when type = 'track'
                then try_cast(
                    coalesce({{ json_text('properties', '$.revenue') }}, {{ json_text('properties', '$.total') }})
                    as decimal(12, 2)
                )
        end as amount,
        upper({{ json_text('properties', '$.currency') }}) as currency,
        properties,
        'web' as source,
        anonymous_id,
        {{ blank_to_null('device_id') }} as device_id,
        _load_date as load_date
    from distinct_events

)

select * from customer_events
