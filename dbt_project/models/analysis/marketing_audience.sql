with

customers as (

    select * from {{ permitted_for(ref('dim_customer'), 'marketing') }} as permitted

),

channels as (

    select * from {{ permitted_channels('marketing') }} as permitted

),

segments as (

    -- Choosing whom to write to by what they bought is profiling.
    select * from {{ permitted_for(ref('customer_rfm'), ['marketing', 'profiling']) }} as permitted

),

addressed as (

    select
        customers.customer_id,
        channels.channel,
        case channels.channel
            when 'email' then customers.email
            when 'sms' then customers.phone
            when 'phone' then customers.phone
            when 'post' then customers.street || ', ' || customers.postcode || ' ' || customers.city
        end as address,
        customers.full_name,
        customers.country,
        channels.legal_basis,
        channels.decided_at
    from customers
    inner join channels
        on customers.customer_id = channels.customer_id

),

marketing_audience as (

    select
        addressed.customer_id,
        addressed.channel,
        addressed.address,
        addressed.full_name,
        addressed.country,
        segments.rfm_segment,
        addressed.legal_basis,
        addressed.decided_at
    from addressed
    left join segments
        on addressed.customer_id = segments.customer_id
    where addressed.address is not null

)

select * from marketing_audience
