{{ config(enabled = source_is_active('loyalty')) }}

with

members as (

    select * from {{ source('raw', 'loyalty__members') }}

),

-- Points and tier move daily without anybody having looked at the person's data.
latest_members as (

    {{ latest_snapshot('members', 'member_no', [
        'first_name', 'surname', 'dob', 'sex', 'email_address', 'mobile_no', 'addr1', 'addr2', 'town', 'postcode',
        'country'
    ]) }}

),

records as (

    select
        'loyalty:' || members.member_no as record_id,
        'loyalty' as source,
        members.member_no as source_record_id,
        members.first_name as given_name,
        cast(null as string) as middle_name,
        members.surname as family_name,
        members.dob as birth_date,
        members.sex as gender,
        members.email_address as email,
        members.mobile_no as phone,
        members.addr1 as street,
        members.addr2 as unit,
        members.town as city,
        cast(null as string) as region,
        members.postcode,
        members.country,
        cast(null as string) as national_id,
        cast(coalesce(members.changed_on, members.join_date, members.first_load_date) as timestamp) as updated_at,
        members._load_date as load_date,
        members.first_load_date
    from latest_members as members

)

select * from records
