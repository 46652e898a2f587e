with

orders as (

    {{ union_of_feeds('orders', {
        'order_id': 'string',
        'record_id': 'string',
        'ordered_at': 'timestamp',
        'updated_at': 'timestamp',
        'status': 'string',
        'channel': 'string',
        'currency': 'string',
        'amount': 'decimal(12, 2)',
        'items': 'bigint',
        'source': 'string',
        'load_date': 'date',
    }) | indent(4) }}

)

select * from orders
