with

support_tickets as (

    {{ union_of_feeds('support_tickets', {
        'ticket_id': 'string',
        'record_id': 'string',
        'created_at': 'timestamp',
        'updated_at': 'timestamp',
        'channel': 'string',
        'status': 'string',
        'subject': 'string',
        'satisfaction': 'integer',
        'source': 'string',
        'load_date': 'date',
    }) | indent(4) }}

)

select * from support_tickets
