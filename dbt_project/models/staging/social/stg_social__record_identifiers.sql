{{ config(enabled = source_is_active('social')) }}

with

profiles as (

    select * from {{ source('raw', 'social__profiles') }}

),

handles as (

    -- A handle is unique only within its network, and networks ignore its letter case.
    select
        'social:' || profile_id as record_id,
        'social_handle' as identifier_type,
        lower(network) || ':' || lower(handle) as identifier,
        min(linked_at) as first_seen_at,
        max(updated_at) as last_seen_at
    from profiles
    where {{ blank_to_null('handle') }} is not null
    group by 1, 2, 3

)

select * from handles
