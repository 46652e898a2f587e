{{ config(enabled = source_is_active('web')) }}

with

events as (

    select * from {{ source('raw', 'web__events') }}

),

records as (

    select * from {{ ref('stg_web__customer_records') }}

),

signed_in_events as (

    select
        records.record_id,
        events.user_id,
        events.anonymous_id,
        events.device_id,
        events.event_at
    from events
    inner join records
        on events.user_id = substr(records.source_record_id, 3)
    where records.source_record_id like 'u-%'

),

self_described_events as (

    select
        records.record_id,
        cast(null as string) as user_id,
        events.anonymous_id,
        events.device_id,
        events.event_at
    from events
    inner join records
        on events.anonymous_id = substr(records.source_record_id, 3)
    where
        records.source_record_id like 'a-%'
        and {{ blank_to_null('events.user_id') }} is null

),

identified_events as (

    select * from signed_in_events
    union all
    select * from self_described_events

),

sightings as (

    {% for type, column in {'user_id': 'user_id', 'anonymous_id': 'anonymous_id', 'device_id': 'device_id'}.items() -%}
        select
            record_id,
            '{{ type }}' as identifier_type,
            {{ column }} as identifier,
            event_at
        from identified_events
        where {{ blank_to_null(column) }} is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

identifiers as (

    select
        record_id,
        identifier_type,
        identifier,
        min(event_at) as first_seen_at,
        max(event_at) as last_seen_at
    from sightings
    group by 1, 2, 3

)

select * from identifiers
