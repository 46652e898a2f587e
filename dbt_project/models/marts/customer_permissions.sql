with

purposes as (

    {{ asked_purposes() | indent(4) }}

),

objections as (

    {{ purpose_objections() | indent(4) }}

),

customers as (

    select * from {{ ref('dim_customer') }}

),

consent as (

    select * from {{ ref('fct_consent') }}

),

restrictions as (

    select * from {{ ref('fct_restriction') }}

),

channel_grants as (

    select
        consent.customer_id,
        consent.purpose,
        consent.channel,
        consent.legal_basis,
        consent.decided_at
    from consent
    inner join purposes
        on consent.purpose = purposes.purpose
    where
        purposes.asks_for = 'consent'
        and purposes.per_channel
        and consent.status = 'granted'

),

grants as (

    -- A purpose without channels of its own: granted in one, withdrawn in none.
    select
        consent.customer_id,
        consent.purpose,
        'any' as channel,
        max_by(consent.legal_basis, consent.decided_at) as legal_basis,
        max(consent.decided_at) as decided_at
    from consent
    inner join purposes
        on consent.purpose = purposes.purpose
    where
        purposes.asks_for = 'consent'
        and not purposes.per_channel
    group by
        consent.customer_id,
        consent.purpose
    having bool_and(consent.status = 'granted')

),

objectors as (

    select distinct
        consent.customer_id,
        objections.purpose
    from consent
    inner join objections
        on consent.purpose = objections.objection
    where consent.status = 'withdrawn'

),

unopposed as (

    -- Nobody is asked, but whoever objected is left out.
    select
        customers.customer_id,
        purposes.purpose,
        'any' as channel,
        purposes.basis as legal_basis,
        cast(null as timestamp) as decided_at
    from customers
    inner join purposes
        on purposes.asks_for = 'objection'
    left join objectors
        on
            customers.customer_id = objectors.customer_id
            and purposes.purpose = objectors.purpose
    where objectors.customer_id is null

),

answers as (

    select * from channel_grants
    union all
    select * from grants
    union all
    select * from unopposed

),

restricted as (

    -- Restricting profiling, like withdrawing it, keeps a customer out of statistics about persons too.
    select distinct
        restrictions.customer_id,
        objections.purpose
    from restrictions
    inner join objections
        on restrictions.purpose = objections.objection

),

customer_permissions as (

    select
        answers.customer_id,
        answers.purpose,
        answers.channel,
        answers.legal_basis,
        answers.decided_at
    from answers
    left join restricted
        on
            answers.customer_id = restricted.customer_id
            and answers.purpose = restricted.purpose
    where restricted.customer_id is null

)

select * from customer_permissions
