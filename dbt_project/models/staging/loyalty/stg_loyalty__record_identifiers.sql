{{ config(enabled = source_is_active('loyalty')) }}

with

members as (

    select * from {{ source('raw', 'loyalty__members') }}

),

loyalty_numbers as (

    select
        'loyalty:' || member_no as record_id,
        'loyalty_number' as identifier_type,
        member_no as identifier,
        cast(min(coalesce(join_date, _load_date)) as timestamp) as first_seen_at,
        cast(max(_load_date) as timestamp) as last_seen_at
    from members
    group by 1, 2, 3

),

latest_snapshot as (

    select max(_load_date) as load_date from members

),

current_numbers as (

    -- Who has left the scheme is no record any more, and neither is the number.
    select loyalty_numbers.*
    from loyalty_numbers
    inner join latest_snapshot
        on loyalty_numbers.last_seen_at = cast(latest_snapshot.load_date as timestamp)

)

select * from current_numbers
