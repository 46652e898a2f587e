{{ config(enabled = source_is_active('support')) }}

with

tickets as (

    select * from {{ source('raw', 'support__tickets') }}

),

latest_tickets as (

    {{ latest_delta('tickets', 'ticket_id', 'updated_at') }}

),

support_tickets as (

    select
        'support:' || ticket_id as ticket_id,
        'support:' || requester_id as record_id,
        created_at,
        updated_at,
        channel,
        status,
        subject,
        satisfaction,
        'support' as source,
        _load_date as load_date
    from latest_tickets

)

select * from support_tickets
