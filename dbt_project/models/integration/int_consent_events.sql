with

source_events as (

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

),

ledger_events as (

    select * from {{ source('integration', 'ledger_consent_events') }}

),

customer_records as (

    select * from {{ ref('int_customer_records') }}

),

known_ledger_events as (

    -- An answer outlives the record that it was entered for: the record may have been held back, or not have come yet
    -- in a warehouse that is built anew.
    select ledger_events.*
    from ledger_events
    inner join customer_records
        on ledger_events.record_id = customer_records.record_id

),

consent_events as (

    select
        consent_event_id,
        record_id,
        purpose,
        channel,
        status,
        legal_basis,
        occurred_at,
        method,
        source,
        load_date
    from source_events
    union all
    select
        consent_event_id,
        record_id,
        purpose,
        channel,
        status,
        legal_basis,
        occurred_at,
        method,
        source,
        load_date
    from known_ledger_events

)

select * from consent_events
