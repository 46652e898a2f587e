{{ config(enabled = source_is_active('marketing')) }}

with

subscribers as (

    select * from {{ source('raw', 'marketing__subscribers') }}

),

keyed_changes as (

    select
        *,
        {{ surrogate_id(['subscriber_id', 'purpose', 'channel', 'status', 'changed_at']) }} as change_id
    from subscribers

),

distinct_changes as (

    -- The same change sent twice is one event; it keeps the day on which it came first.
    select *
    from (
        select
            *,
            row_number() over (partition by change_id order by _load_date, _row) as arrival
        from keyed_changes
    ) as arrivals
    where arrival = 1

),

consent_events as (

    select
        'marketing:' || change_id as consent_event_id,
        'marketing:' || subscriber_id as record_id,
        lower(purpose) as purpose,
        lower(channel) as channel,
        lower(status) as status,
        lower(legal_basis) as legal_basis,
        changed_at as occurred_at,
        lower(method) as method,
        'marketing' as source,
        _load_date as load_date
    from distinct_changes

)

select * from consent_events
