{{ config(enabled = source_is_active('social')) }}

with

profiles as (

    select * from {{ source('raw', 'social__profiles') }}

),

latest_profiles as (

    {{ latest_delta('profiles', 'profile_id', 'updated_at') }}

),

named_profiles as (

    select
        *,
        {{ name_text('display_name') }} as name
    from latest_profiles

),

records as (

    select
        'social:' || profiles.profile_id as record_id,
        'social' as source,
        profiles.profile_id as source_record_id,
        {{ given_name_of('profiles.name') }} as given_name,
        {{ middle_name_of('profiles.name') }} as middle_name,
        {{ family_name_of('profiles.name') }} as family_name,
        cast(null as date) as birth_date,
        cast(null as string) as gender,
        profiles.email,
        cast(null as string) as phone,
        cast(null as string) as street,
        cast(null as string) as unit,
        profiles.location_city as city,
        cast(null as string) as region,
        cast(null as string) as postcode,
        profiles.location_country as country,
        cast(null as string) as national_id,
        profiles.updated_at,
        profiles._load_date as load_date,
        profiles.first_load_date
    from named_profiles as profiles

)

select * from records
