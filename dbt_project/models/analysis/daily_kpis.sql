with

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

customers as (

    select * from {{ ref('dim_customer') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

interactions as (

    select * from {{ ref('fct_interactions') }}

),

consent_events as (

    select * from {{ ref('int_consent_events') }}

),

customer_days as (

    select
        first_seen_on as kpi_date,
        count(*) as new_customers
    from customers
    group by first_seen_on

),

order_days as (

    select
        order_date as kpi_date,
        count(*) as orders,
        sum(amount_reporting) filter (where is_revenue) as revenue,
        avg(amount_reporting) filter (where is_revenue) as average_order_value
    from orders
    group by order_date

),

visits as (

    -- A visit begins with an event that no event of the same visitor precedes within the session gap.
    select
        occurred_at,
        case
            when
                occurred_at <= lag(occurred_at) over (partition by visitor order by occurred_at, interaction_id)
                + interval {{ var('session_gap_minutes') }} minute
                then 0
            else 1
        end as starts_session
    from (
        select
            interaction_id,
            occurred_at,
            coalesce(anonymous_id, record_id) as visitor
        from interactions
        where channel in ('web', 'app') and anonymous_id is not null
    ) as visitor_events

),

session_days as (

    select
        cast(occurred_at as date) as kpi_date,
        sum(starts_session) as web_sessions
    from visits
    group by cast(occurred_at as date)

),

interaction_days as (

    select
        cast(occurred_at as date) as kpi_date,
        count(distinct customer_id) as active_customers,
        count(*) filter (where interaction_type = 'page_viewed') as page_views,
        count(*) filter (where interaction_type = 'ticket_opened') as tickets_opened
    from interactions
    group by cast(occurred_at as date)

),

consent_days as (

    select
        cast(occurred_at as date) as kpi_date,
        count(*) filter (where status = 'granted') as consents_granted,
        count(*) filter (where status = 'withdrawn') as consents_withdrawn
    from consent_events
    group by cast(occurred_at as date)

),

first_days as (

    select min(kpi_date) as first_day from customer_days
    union all
    select min(kpi_date) as first_day from order_days
    union all
    select min(kpi_date) as first_day from interaction_days
    union all
    select min(kpi_date) as first_day from consent_days

),

period as (

    select
        min(first_days.first_day) as first_day,
        max(as_of.as_of_date) as last_day
    from first_days
    cross join as_of

),

days as (

    {{ day_spine('period', 'first_day', 'last_day', 'kpi_date') | indent(4) }}

),

daily_kpis as (

    select
        days.kpi_date,
        coalesce(customer_days.new_customers, 0) as new_customers,
        coalesce(interaction_days.active_customers, 0) as active_customers,
        coalesce(order_days.orders, 0) as orders,
        cast(coalesce(order_days.revenue, 0) as decimal(18, 2)) as revenue,
        cast(order_days.average_order_value as decimal(14, 2)) as average_order_value,
        '{{ var("reporting_currency") }}' as reporting_currency,
        cast(coalesce(session_days.web_sessions, 0) as bigint) as web_sessions,
        coalesce(interaction_days.page_views, 0) as page_views,
        coalesce(interaction_days.tickets_opened, 0) as tickets_opened,
        coalesce(consent_days.consents_granted, 0) as consents_granted,
        coalesce(consent_days.consents_withdrawn, 0) as consents_withdrawn
    from days
    left join customer_days
        on days.kpi_date = customer_days.kpi_date
    left join order_days
        on days.kpi_date = order_days.kpi_date
    left join session_days
        on days.kpi_date = session_days.kpi_date
    left join interaction_days
        on days.kpi_date = interaction_days.kpi_date
    left join consent_days
        on days.kpi_date = consent_days.kpi_date

)

select * from daily_kpis
