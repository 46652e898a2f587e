with

orders as (

    select * from {{ ref('int_orders') }}

),

support_tickets as (

    select * from {{ ref('int_support_tickets') }}

),

source_events as (

    {{ union_of_feeds('customer_events', {
        'event_id': 'string',
        'record_id': 'string',
        'event_type': 'string',
        'channel': 'string',
        'occurred_at': 'timestamp',
        'amount': 'decimal(12, 2)',
        'currency': 'string',
        'properties': type_json(),
        'source': 'string',
        'anonymous_id': 'string',
        'device_id': 'string',
        'load_date': 'date',
    }) | indent(4) }}

),

order_events as (

    select
        'order_placed:' || order_id as event_id,
        record_id,
        'order_placed' as event_type,
        channel,
        ordered_at as occurred_at,
        amount,
        currency,
        {{ json_object_of({'order_id': 'order_id', 'status': 'status', 'items': 'items'}) }} as properties,
        source,
        cast(null as string) as anonymous_id,
        cast(null as string) as device_id,
        load_date
    from orders

),

ticket_events as (

    select
        'ticket_opened:' || ticket_id as event_id,
        record_id,
        'ticket_opened' as event_type,
        channel,
        created_at as occurred_at,
        cast(null as decimal(12, 2)) as amount,
        cast(null as string) as currency,
        {{ json_object_of({'ticket_id': 'ticket_id', 'status': 'status'}) }} as properties,
        source,
        cast(null as string) as anonymous_id,
        cast(null as string) as device_id,
        load_date
    from support_tickets

),

customer_events as (

    select * from source_events
    union all
    select * from order_events
    union all
    select * from ticket_events

)

select * from customer_events
