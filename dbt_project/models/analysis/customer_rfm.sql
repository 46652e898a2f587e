with

orders as (

    select * from {{ permitted_for(ref('fct_orders'), 'analytics') }} as permitted

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

rfm_segments as (

    select * from {{ ref('rfm_segments') }}

),

buyers as (

    select
        customer_id,
        max(order_date) as last_order_date,
        count(*) as frequency,
        cast(coalesce(sum(amount_reporting), 0) as decimal(18, 2)) as monetary
    from orders
    where is_revenue and customer_id is not null
    group by customer_id

),

measured_buyers as (

    select
        buyers.customer_id,
        as_of.as_of_date,
        {{ dbt.datediff('buyers.last_order_date', 'as_of.as_of_date', 'day') }} as recency_days,
        buyers.frequency,
        buyers.monetary
    from buyers
    cross join as_of

),

scored_buyers as (

    -- A score is one plus the whole fifths of buyers who do strictly worse. Equal values so get equal scores, which
    -- ntile does not give, and the score does not depend on the order of rows.
    select
        *,
        {{ fifths_doing_worse('recency_days desc') }} as r_score,
        {{ fifths_doing_worse('frequency asc') }} as f_score,
        {{ fifths_doing_worse('monetary asc') }} as m_score
    from measured_buyers

),

customer_rfm as (

    select
        scored.customer_id,
        scored.as_of_date,
        scored.recency_days,
        scored.frequency,
        scored.monetary,
        scored.r_score,
        scored.f_score,
        scored.m_score,
        rfm_segments.segment as rfm_segment
    from scored_buyers as scored
    left join rfm_segments
        on
            scored.r_score = rfm_segments.r_score
            and scored.f_score = rfm_segments.f_score

)

select * from customer_rfm
