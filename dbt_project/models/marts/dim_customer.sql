with

golden_customers as (

    select * from {{ ref('golden_customers') }}

),

customer_xref as (

    select * from {{ ref('customer_xref') }}

),

customer_records as (

    select * from {{ ref('int_customer_records') }}

),

interactions as (

    select * from {{ ref('fct_interactions') }}

),

consent_events as (

    select * from {{ ref('int_consent_events') }}

),

household_members as (

    select * from {{ ref('household_members') }}

),

customer_sources as (

    select distinct
        customer_id,
        source
    from customer_xref

),

source_lists as (

    select
        customer_id,
        count(*) as source_count,
        {{ dbt.listagg('source', "','", 'order by source') }} as sources
    from customer_sources
    group by customer_id

),

record_facts as (

    select
        customer_xref.customer_id,
        count(*) as record_count,
        max(records.updated_at) as last_updated_at
    from customer_xref
    inner join customer_records as records
        on customer_xref.record_id = records.record_id
    group by customer_xref.customer_id

),

sightings as (

    -- The first load brings years of history in one day, so the day a customer was first seen is that of the earliest
    -- trace, which never moves later as records are edited.
    select
        customer_id,
        first_load_date as seen_on
    from customer_xref
    union all
    select
        customer_id,
        cast(occurred_at as date) as seen_on
    from interactions
    where customer_id is not null
    union all
    select
        customer_xref.customer_id,
        cast(consent_events.occurred_at as date) as seen_on
    from consent_events
    inner join customer_xref
        on consent_events.record_id = customer_xref.record_id

),

first_sightings as (

    select
        customer_id,
        min(seen_on) as first_seen_on
    from sightings
    group by customer_id

),

dim_customer as (

    select
        golden.customer_id,
        golden.given_name,
        golden.middle_name,
        golden.family_name,
        {{ full_name_of('golden.given_name', 'golden.middle_name', 'golden.family_name') | indent(8) }} as full_name,
        golden.birth_date,
        golden.gender,
        golden.email,
        golden.phone,
        golden.street,
        golden.unit,
        golden.city,
        golden.region,
        golden.postcode,
        golden.country,
        golden.national_id,
        household_members.household_id,
        first_sightings.first_seen_on,
        record_facts.last_updated_at,
        record_facts.record_count,
        source_lists.source_count,
        source_lists.sources
    from golden_customers as golden
    left join record_facts
        on golden.customer_id = record_facts.customer_id
    left join source_lists
        on golden.customer_id = source_lists.customer_id
    left join first_sightings
        on golden.customer_id = first_sightings.customer_id
    left join household_members
        on golden.customer_id = household_members.customer_id

)

select * from dim_customer
