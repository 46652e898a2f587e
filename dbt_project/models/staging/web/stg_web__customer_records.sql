{{ config(enabled = source_is_active('web')) }}

with

events as (

    select * from {{ source('raw', 'web__events') }}

),

identifications as (

    -- A visitor is a customer record once an identify call names a user, or leaves traits without one.
    select
        *,
        case
            when {{ blank_to_null('user_id') }} is not null then 'u-' || user_id
            else 'a-' || anonymous_id
        end as source_record_id
    from events
    where
        type = 'identify'
        and (
            {{ blank_to_null('user_id') }} is not null
            or coalesce(trait_email, trait_first_name, trait_last_name, trait_phone) is not null
        )

),

ordered_identifications as (

    select
        *,
        row_number() over (partition by source_record_id order by event_at, _load_date, _row) as version_order
    from identifications
    where source_record_id is not null

),

records as (

    -- Each call carries only what was typed at that moment: the last value that was told counts.
    select
        'web:' || source_record_id as record_id,
        'web' as source,
        source_record_id,
        {{ latest_known('trait_first_name', 'version_order') }} as given_name,
        cast(null as string) as middle_name,
        {{ latest_known('trait_last_name', 'version_order') }} as family_name,
        cast(null as date) as birth_date,
        cast(null as string) as gender,
        {{ latest_known('trait_email', 'version_order') }} as email,
        {{ latest_known('trait_phone', 'version_order') }} as phone,
        cast(null as string) as street,
        cast(null as string) as unit,
        cast(null as string) as city,
        cast(null as string) as region,
        cast(null as string) as postcode,
        cast(null as string) as country,
        cast(null as string) as national_id,
        max(event_at) as updated_at,
        max(_load_date) as load_date,
        min(_load_date) as first_load_date
    from ordered_identifications
    group by source_record_id

)

select * from records
