with

orders as (

    select * from {{ ref('int_orders') }}

),

support_tickets as (

    select * from {{ ref('int_support_tickets') }}

),

record_identifiers as (

    select * from {{ ref('int_record_identifiers') }}

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
        'load_date': 'date',
    }) | indent(4) }}

),

known_visitors as (

    -- A browser on which two people signed in belongs to neither: its anonymous events stay anonymous.
    select
        identifier as anonymous_id,
        min(record_id) as record_id
    from record_identifiers
    where identifier_type = 'anonymous_id'
    group by identifier
    having count(distinct record_id) = 1

),

visitor_events as (

    -- An event that names its record keeps it, even when that record never came or was held back: it is not handed to
    -- whoever else used the browser.
    select
        source_events.event_id,
        coalesce(source_events.record_id, known_visitors.record_id) as record_id,
        source_events.event_type,
        source_events.channel,
        source_events.occurred_at,
        source_events.amount,
        source_events.currency,
        source_events.properties,
        source_events.source,
        source_events.anonymous_id,
        source_events.load_date
    from source_events
    left join known_visitors
        on source_events.anonymous_id = known_visitors.anonymous_id

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
        load_date
    from support_tickets

),

customer_events as (

    select * from visitor_events
    union all
    select * from order_events
    union all
    select * from ticket_events

)

select * from customer_events
