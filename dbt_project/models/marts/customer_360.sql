with

customers as (

    select * from {{ ref('dim_customer') }}

),

orders as (

    select * from {{ ref('fct_orders') }}

),

interactions as (

    select * from {{ ref('fct_interactions') }}

),

permissions as (

    select * from {{ ref('customer_permissions') }}

),

customer_xref as (

    select * from {{ ref('customer_xref') }}

),

support_tickets as (

    select * from {{ ref('int_support_tickets') }}

),

order_metrics as (

    select
        customer_id,
        count(*) as orders,
        count(*) filter (where not is_revenue) as cancelled_or_returned_orders,
        min(order_date) filter (where is_revenue) as first_order_date,
        max(order_date) filter (where is_revenue) as last_order_date,
        sum(amount_reporting) filter (where is_revenue) as revenue,
        cast(avg(amount_reporting) filter (where is_revenue) as decimal(14, 2)) as average_order_value
    from orders
    where customer_id is not null
    group by customer_id

),

interaction_metrics as (

    select
        customer_id,
        count(*) as interactions,
        count(*) filter (where interaction_type = 'page_viewed') as page_views,
        count(distinct channel) as channels_used,
        max(occurred_at) as last_interaction_at
    from interactions
    where customer_id is not null
    group by customer_id

),

ticket_metrics as (

    select
        customer_xref.customer_id,
        count(*) as tickets,
        count(*) filter (where tickets.status <> 'solved') as unsolved_tickets,
        cast(avg(tickets.satisfaction) as decimal(3, 2)) as average_satisfaction,
        max(tickets.created_at) as last_ticket_at
    from support_tickets as tickets
    inner join customer_xref
        on tickets.record_id = customer_xref.record_id
    group by customer_xref.customer_id

),

consent_flags as (

    select
        customer_id,
        bool_or(purpose = 'marketing' and channel = 'email') as email_marketing_allowed,
        bool_or(purpose = 'marketing' and channel = 'sms') as sms_marketing_allowed,
        bool_or(purpose = 'profiling') as profiling_allowed
    from permissions
    group by customer_id

),

customer_360 as (

    select
        customers.customer_id,
        customers.full_name,
        customers.email,
        customers.phone,
        customers.city,
        customers.country,
        customers.household_id,
        customers.first_seen_on,
        customers.record_count,
        customers.source_count,
        coalesce(order_metrics.orders, 0) as orders,
        coalesce(order_metrics.cancelled_or_returned_orders, 0) as cancelled_or_returned_orders,
        order_metrics.first_order_date,
        order_metrics.last_order_date,
        cast(coalesce(order_metrics.revenue, 0) as decimal(18, 2)) as revenue,
        order_metrics.average_order_value,
        '{{ var("reporting_currency") }}' as reporting_currency,
        coalesce(interaction_metrics.interactions, 0) as interactions,
        coalesce(interaction_metrics.page_views, 0) as page_views,
        coalesce(interaction_metrics.channels_used, 0) as channels_used,
        interaction_metrics.last_interaction_at,
        coalesce(ticket_metrics.tickets, 0) as tickets,
        coalesce(ticket_metrics.unsolved_tickets, 0) as unsolved_tickets,
        ticket_metrics.average_satisfaction,
        ticket_metrics.last_ticket_at,
        coalesce(consent_flags.email_marketing_allowed, false) as email_marketing_allowed,
        coalesce(consent_flags.sms_marketing_allowed, false) as sms_marketing_allowed,
        coalesce(consent_flags.profiling_allowed, false) as profiling_allowed
    from customers
    left join order_metrics
        on customers.customer_id = order_metrics.customer_id
    left join interaction_metrics
        on customers.customer_id = interaction_metrics.customer_id
    left join ticket_metrics
        on customers.customer_id = ticket_metrics.customer_id
    left join consent_flags
        on customers.customer_id = consent_flags.customer_id

)

select * from customer_360
