with

support_tickets as (

    select * from {{ ref('int_support_tickets') }}

),

customer_xref as (

    select * from {{ ref('customer_xref') }}

),

fct_support_tickets as (

    select
        tickets.ticket_id,
        customer_xref.customer_id,
        tickets.record_id,
        tickets.created_at,
        tickets.updated_at,
        tickets.channel,
        tickets.status,
        tickets.subject,
        tickets.satisfaction,
        tickets.source
    from support_tickets as tickets
    left join customer_xref
        on tickets.record_id = customer_xref.record_id

)

select * from fct_support_tickets
