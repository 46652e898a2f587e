{{ config(enabled = source_is_active('crm')) }}

with

contacts as (

    select * from {{ source('raw', 'crm__contacts') }}

),

latest_contacts as (

    {{ latest_delta('contacts', 'contact_id', 'updated_at') }}

),

records as (

    select
        'crm:' || contacts.contact_id as record_id,
        'crm' as source,
        contacts.contact_id as source_record_id,
        contacts.first_name as given_name,
        contacts.middle_name,
        contacts.last_name as family_name,
        contacts.birth_date,
        contacts.gender,
        contacts.email,
        contacts.phone,
        contacts.street,
        contacts.unit,
        contacts.city,
        contacts.state as region,
        contacts.postal_code as postcode,
        contacts.country,
        contacts.national_id,
        contacts.updated_at,
        contacts._load_date as load_date,
        contacts.first_load_date
    from latest_contacts as contacts

)

select * from records
