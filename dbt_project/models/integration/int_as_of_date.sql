with

customer_records as (

    select * from {{ ref('int_customer_records') }}

),

customer_events as (

    select * from {{ ref('int_customer_events') }}

),

consent_events as (

    select * from {{ ref('int_consent_events') }}

),

load_dates as (

    select max(load_date) as load_date from customer_records
    union all
    select max(load_date) as load_date from customer_events
    union all
    -- Answers entered by hand are dated by the clock, which is ahead of a warehouse that replays old days.
    select max(load_date) as load_date from consent_events
    where source <> 'ledger'

),

as_of as (

    select max(load_date) as as_of_date from load_dates

)

select * from as_of
