with

customer_records as (

    {{ union_of_feeds('customer_records', {
        'record_id': 'string',
        'source': 'string',
        'source_record_id': 'string',
        'given_name': 'string',
        'middle_name': 'string',
        'family_name': 'string',
        'birth_date': 'date',
        'gender': 'string',
        'email': 'string',
        'phone': 'string',
        'street': 'string',
        'unit': 'string',
        'city': 'string',
        'region': 'string',
        'postcode': 'string',
        'country': 'string',
        'national_id': 'string',
        'updated_at': 'timestamp',
        'load_date': 'date',
        'first_load_date': 'date',
    }) | indent(4) }}

)

select * from customer_records
