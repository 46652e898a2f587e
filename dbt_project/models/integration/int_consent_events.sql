with

consent_events as (

    {{ union_of_feeds('consent_events', {
        'consent_event_id': 'string',
        'record_id': 'string',
        'purpose': 'string',
        'channel': 'string',
        'status': 'string',
        'legal_basis': 'string',
        'occurred_at': 'timestamp',
        'method': 'string',
        'source': 'string',
        'load_date': 'date',
    }) | indent(4) }}

)

select * from consent_events
