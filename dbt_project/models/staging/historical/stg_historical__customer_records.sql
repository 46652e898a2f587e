{{ config(enabled = source_is_active('historical')) }}

with

people as (

    select * from {{ source('raw', 'historical__people') }}

),

latest_people as (

    {{ latest_delta('people', 'rec_id', '_load_date') }}

),

named_people as (

    select
        *,
        {{ name_text('full_name') }} as name
    from latest_people

),

records as (

    -- The name in parts is kept where the source has it; the whole name fills a record that has neither part.
    select
        'historical:' || rec_id as record_id,
        'historical' as source,
        rec_id as source_record_id,
        case
            when coalesce(first_name, surname) is null then {{ given_name_of('name') }} else first_name
        end as given_name,
        cast(null as string) as middle_name,
        case
            when coalesce(first_name, surname) is null then {{ family_name_of('name') }} else surname
        end as family_name,
        try_cast(dob as date) as birth_date,
        gender,
        cast(null as string) as email,
        cast(null as string) as phone,
        cast(null as string) as street,
        cast(null as string) as unit,
        birth_place as city,
        cast(null as string) as region,
        postcode_fake as postcode,
        cast(null as string) as country,
        cast(null as string) as national_id,
        cast(_load_date as timestamp) as updated_at,
        _load_date as load_date,
        first_load_date
    from named_people

)

select * from records
