{{ config(enabled = source_is_active('support')) }}

with

tickets as (

    select * from {{ source('raw', 'support__tickets') }}

),

ordered_tickets as (

    select
        *,
        row_number() over (
            partition by requester_id
            order by updated_at nulls first, _load_date, _row
        ) as version_order
    from tickets
    where {{ blank_to_null('requester_id') }} is not null

),

requesters as (

    -- A ticket by phone tells no e-mail address, one by e-mail no phone: the last value that was told counts.
    select
        requester_id,
        {{ name_text(latest_known('requester_name', 'version_order')) }} as name,
        {{ latest_known('requester_email', 'version_order') }} as email,
        {{ latest_known('requester_phone', 'version_order') }} as phone,
        max(updated_at) as updated_at,
        max(_load_date) as load_date,
        min(_load_date) as first_load_date
    from ordered_tickets
    group by requester_id

),

records as (

    select
        'support:' || requester_id as record_id,
        'support' as source,
        requester_id as source_record_id,
        {{ given_name_of('name') }} as given_name,
        {{ middle_name_of('name') }} as middle_name,
        {{ family_name_of('name') }} as family_name,
        cast(null as date) as birth_date,
        cast(null as string) as gender,
        email,
        phone,
        cast(null as string) as street,
        cast(null as string) as unit,
        cast(null as string) as city,
        cast(null as string) as region,
        cast(null as string) as postcode,
        cast(null as string) as country,
        cast(null as string) as national_id,
        updated_at,
        load_date,
        first_load_date
    from requesters

)

select * from records
