{%- set rules = [
    'visitor_max_customers', 'device_max_customers', 'before_identification_days', 'after_identification_days',
    'shared_after_identification_days', 'device_days'
] -%}
{#- What an event is near to: name, what they have in common, the order within it. -#}
{%- set neighbourhoods = [
    ('visit', 'anonymous_id, visit', 'place'),
    ('visitor', 'anonymous_id', 'place'),
    ('device', 'device_id', 'device_place')
] -%}

with

customer_events as (

    select * from {{ ref('int_customer_events') }}

),

memberships as (

    select * from {{ source('resolution', 'memberships') }}

),

stitching_rules as (

    select * from {{ ref('stitching_rules') }}

),

limits as (

    select
    {%- for rule in rules %}
            max(limit_value) filter (where rule = '{{ rule }}') as {{ rule }}{{ ',' if not loop.last }}
    {%- endfor %}
    from stitching_rules

),

visitor_events as (

    -- Whoever an event names claims its browser from then on. A record that never came is somebody all the same: what
    -- follows its sign-in is not handed to the customer before.
    select
        events.event_id,
        events.anonymous_id,
        events.device_id,
        {{ seconds_since_epoch('events.occurred_at') }} as occurred,
        memberships.customer_id,
        coalesce(memberships.customer_id, events.record_id) as claimant
    from customer_events as events
    left join memberships
        on events.record_id = memberships.record_id
    where events.anonymous_id is not null and events.occurred_at is not null

),

visitor_claimants as (

    select
        anonymous_id,
        count(distinct claimant) as claimants
    from visitor_events
    group by anonymous_id

),

device_claimants as (

    select
        device_id,
        count(distinct claimant) as claimants
    from visitor_events
    where device_id is not null
    group by device_id

),

placed_events as (

    select
        *,
        row_number() over (partition by anonymous_id order by occurred, event_id) as place,
        row_number() over (partition by device_id order by occurred, event_id) as device_place,
        occurred - lag(occurred) over (partition by anonymous_id order by occurred, event_id) as seconds_since_last
    from visitor_events

),

visits as (

    select
        *,
        sum(case when seconds_since_last <= {{ var('session_gap_minutes') }} * 60 then 0 else 1 end)
            over (partition by anonymous_id order by place rows between unbounded preceding and current row) as visit
    from placed_events

),

neighbours as (

    -- The places of the nearest claims before and after each event: in its visit, of its browser, on its device.
    select
        *,
    {%- for name, partition, place in neighbourhoods %}
        {{ nearest_before('claimant is not null', partition, place) | indent(8) }}
            as {{ name }}_claim_before,
        {{ nearest_after('claimant is not null', partition, place) | indent(8) }}
            as {{ name }}_claim_after{{ ',' if not loop.last }}
    {%- endfor %}
    from visits

),

claims as (

    select * from neighbours
    where claimant is not null

),

unclaimed as (

    select
        events.*,
        visitor_claimants.claimants as visitor_claimants,
        coalesce(device_claimants.claimants, 0) as device_claimants
    from neighbours as events
    inner join visitor_claimants
        on events.anonymous_id = visitor_claimants.anonymous_id
    left join device_claimants
        on events.device_id = device_claimants.device_id
    where events.claimant is null

),

browser_stitches as (

    -- In a visit the sign-in before counts, else the one after: who browses and then signs in browsed. Between visits
    -- the last to sign in keeps the browser, and before the first sign-in it is that customer's.
    select
        unclaimed.event_id,
        unclaimed.anonymous_id,
        case
            when same_visit.event_id is not null then same_visit.customer_id
            when earlier.event_id is not null then earlier.customer_id
            else later.customer_id
        end as customer_id,
        case
            when same_visit.event_id is not null then same_visit.event_id
            when earlier.event_id is not null then earlier.event_id
            else later.event_id
        end as evidence_event_id,
        case
            when same_visit.event_id is not null then 'same_visit'
            when earlier.event_id is not null then 'after_identification'
            else 'before_identification'
        end as stitch_rule
    from unclaimed
    cross join limits
    left join claims as same_visit
        on
            unclaimed.anonymous_id = same_visit.anonymous_id
            and coalesce(unclaimed.visit_claim_before, unclaimed.visit_claim_after) = same_visit.place
    left join claims as earlier
        on unclaimed.anonymous_id = earlier.anonymous_id and unclaimed.visitor_claim_before = earlier.place
    left join claims as later
        on unclaimed.anonymous_id = later.anonymous_id and unclaimed.visitor_claim_after = later.place
    where
        unclaimed.visitor_claimants between 1 and limits.visitor_max_customers
        and (
            same_visit.event_id is not null
            or (
                earlier.event_id is not null
                and unclaimed.occurred - earlier.occurred <= 86400 * case
                    when unclaimed.visitor_claimants = 1 or earlier.claimant = later.claimant
                        then limits.after_identification_days
                    else limits.shared_after_identification_days
                end
            )
            or (
                earlier.event_id is null
                and later.occurred - unclaimed.occurred <= 86400 * limits.before_identification_days
            )
        )

),

device_neighbours as (

    select
        unclaimed.event_id,
        unclaimed.anonymous_id,
        earlier.event_id as earlier_event_id,
        earlier.claimant as earlier_claimant,
        earlier.customer_id as earlier_customer_id,
        later.event_id as later_event_id,
        later.claimant as later_claimant,
        later.customer_id as later_customer_id
    from unclaimed
    cross join limits
    left join claims as earlier
        on
            unclaimed.device_id = earlier.device_id
            and unclaimed.device_claim_before = earlier.device_place
            and unclaimed.occurred - earlier.occurred <= 86400 * limits.device_days
    left join claims as later
        on
            unclaimed.device_id = later.device_id
            and unclaimed.device_claim_after = later.device_place
            and later.occurred - unclaimed.occurred <= 86400 * limits.device_days
    where
        unclaimed.visitor_claimants = 0
        and unclaimed.device_claimants between 1 and limits.device_max_customers

),

device_stitches as (

    -- A browser on which nobody ever signed in goes by its device, when everybody near in time is one customer.
    select
        event_id,
        anonymous_id,
        coalesce(earlier_customer_id, later_customer_id) as customer_id,
        coalesce(earlier_event_id, later_event_id) as evidence_event_id,
        'same_device' as stitch_rule
    from device_neighbours
    where coalesce(earlier_claimant, later_claimant) = coalesce(later_claimant, earlier_claimant)

),

stitches as (

    select * from browser_stitches
    union all
    select * from device_stitches

),

identity_stitches as (

    select
        event_id,
        anonymous_id,
        customer_id,
        stitch_rule,
        evidence_event_id
    from stitches
    where customer_id is not null

)

select * from identity_stitches
