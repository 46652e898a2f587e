with

record_identifiers as (

    {{ union_of_feeds('record_identifiers', {
        'record_id': 'string',
        'identifier_type': 'string',
        'identifier': 'string',
        'first_seen_at': 'timestamp',
        'last_seen_at': 'timestamp',
    }) | indent(4) }}

)

select * from record_identifiers
