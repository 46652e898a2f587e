with

household_members as (

    select * from {{ ref('household_members') }}

),

customers as (

    select * from {{ ref('dim_customer') }}

),

household_rules as (

    select * from {{ ref('household_rules') }}

),

as_of as (

    select * from {{ ref('int_as_of_date') }}

),

adulthood as (

    -- Who was born up to this day is of age.
    select {{ dbt.dateadd('year', '-household_rules.limit_value', 'as_of.as_of_date') }} as latest_adult_birth
    from as_of
    cross join household_rules
    where household_rules.rule = 'adult_from_age'

),

members as (

    select
        household_members.household_id,
        household_members.founding_customer_id,
        household_members.household_rule,
        customers.customer_id,
        customers.family_name,
        customers.birth_date,
        customers.first_seen_on,
        customers.street,
        customers.unit,
        customers.city,
        customers.region,
        customers.postcode,
        customers.country,
        adulthood.latest_adult_birth
    from household_members
    inner join customers
        on household_members.customer_id = customers.customer_id
    left join adulthood
        on 1 = 1

),

family_names as (

    select distinct
        household_id,
        family_name
    from members
    where family_name is not null

),

name_lists as (

    select
        household_id,
        {{ dbt.listagg('family_name', "', '", 'order by family_name') }} as family_names
    from family_names
    group by household_id

),

household_facts as (

    select
        household_id,
        min(founding_customer_id) as founding_customer_id,
        min(household_rule) as household_rule,
        count(*) as member_count,
        count(*) filter (where birth_date <= latest_adult_birth) as adults,
        count(*) filter (where birth_date > latest_adult_birth) as minors,
        min(first_seen_on) as first_seen_on
    from members
    group by household_id

),

dim_household as (

    select
        facts.household_id,
        facts.founding_customer_id,
        founders.street,
        founders.unit,
        founders.city,
        founders.region,
        founders.postcode,
        founders.country,
        name_lists.family_names,
        facts.member_count,
        facts.adults,
        facts.minors,
        facts.member_count - facts.adults - facts.minors as members_of_unknown_age,
        facts.household_rule,
        facts.first_seen_on
    from household_facts as facts
    inner join members as founders
        on facts.founding_customer_id = founders.customer_id
    left join name_lists
        on facts.household_id = name_lists.household_id

)

select * from dim_household
