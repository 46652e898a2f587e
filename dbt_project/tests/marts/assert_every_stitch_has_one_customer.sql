-- An interaction with a customer says why it is theirs, one without does not, and a stitch is of one customer.
with

interactions as (

    select * from {{ ref('fct_interactions') }}

),

identity_stitches as (

    select * from {{ ref('identity_stitches') }}

),

customers_of_stitches as (

    select
        event_id,
        count(distinct customer_id) as customers
    from identity_stitches
    group by event_id

)

select
    interactions.interaction_id,
    interactions.customer_id,
    interactions.stitch_rule,
    customers_of_stitches.customers
from interactions
left join customers_of_stitches
    on interactions.interaction_id = customers_of_stitches.event_id
where
    (interactions.customer_id is null) <> (interactions.stitch_rule is null)
    or customers_of_stitches.customers > 1
