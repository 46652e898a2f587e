{{ config(enabled = source_is_active('marketing')) }}

with

subscribers as (

    select * from {{ source('raw', 'marketing__subscribers') }}

),

latest_subscribers as (

    {{ latest_delta('subscribers', 'subscriber_id', 'changed_at') }}

),

named_subscribers as (

    select
        *,
        {{ name_text('full_name') }} as name
    from latest_subscribers

),

records as (

    select
        'marketing:' || subscribers.subscriber_id as record_id,
        'marketing' as source,
        subscribers.subscriber_id as source_record_id,
        {{ given_name_of('subscribers.name') }} as given_name,
        {{ middle_name_of('subscribers.name') }} as middle_name,
        {{ family_name_of('subscribers.name') }} as family_name,
        cast(null as date) as birth_date,
        cast(null as string) as gender,
        subscribers.email,
        subscribers.mobile as phone,
        cast(null as string) as street,
        cast(null as string) as unit,
        cast(null as string) as city,
        cast(null as string) as region,
        cast(null as string) as postcode,
        subscribers.country,
        cast(null as string) as national_id,
        subscribers.changed_at as updated_at,
        subscribers._load_date as load_date,
        subscribers.first_load_date
    from named_subscribers as subscribers

)

select * from records
