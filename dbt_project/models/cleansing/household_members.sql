{#- How many links apart members of a family may be: husband and wife share a telephone, she and her mother a name. -#}
{%- set rounds = 4 -%}
{%- set unit_words = '\\b(apartment|apt|appt|flat|unit|suite|ste|room|floor|wohnung|whg|no|nr)\\b' -%}
{%- set unit_text = replace_all("lower(coalesce(unit, ''))", unit_words, '') -%}
{%- set name_text = replace_all("lower(coalesce(family_name, ''))", '[-]', ' ') -%}
{%- set rules = [
    'address_max_families', 'phone_max_customers', 'family_name_part_min_letters', 'family_name_letters',
    'street_letters', 'household_max_members', 'partners_max_families', 'partners_max_customers'
] -%}

with

golden_customers as (

    select * from {{ ref('golden_customers') }}

),

customer_records as (

    select * from {{ ref('int_customer_records') }}

),

standardised_records as (

    select * from {{ source('cleansing', 'standardised_records') }}

),

memberships as (

    select * from {{ source('resolution', 'memberships') }}

),

household_rules as (

    select * from {{ ref('household_rules') }}

),

limits as (

    select
    {%- for rule in rules %}
            max(limit_value) filter (where rule = '{{ rule }}') as {{ rule }}{{ ',' if not loop.last }}
    {%- endfor %}
    from household_rules

),

address_parts as (

    -- A street without a town may be anywhere. Of the street its numbers and first letters are kept: the rest is Road
    -- or Rd., strasse or str.
    select
        golden.customer_id,
        {{ replace_all(name_text, '[^\\p{L} ]', '') }} as family_name,
        {{ replace_all('street', '[^0-9]', '') }} as number_key,
        substr({{ replace_all('lower(street)', '[^\\p{L}]', '') }}, 1, limits.street_letters) as street_key,
        {{ replace_all(unit_text, '[\\s\\p{P}]', '') }} as unit_key,
        nullif({{ replace_all('lower(postcode)', '[\\s\\p{P}]', '') }}, '') as postcode_key,
        {{ replace_all("lower(coalesce(city, ''))", '[\\s\\p{P}]', '') }} as city_key
    from golden_customers as golden
    cross join limits
    where golden.street is not null and coalesce(golden.postcode, golden.city) is not null

),

completed_addresses as (

    -- Who did not give the postcode lives where that house of that town stands, if there is only one.
    select
        customer_id,
        family_name,
        number_key,
        street_key,
        unit_key,
        city_key,
        case
            when postcode_key is not null then postcode_key
            when
                city_key <> ''
                and min(postcode_key) over (partition by number_key, street_key, unit_key, city_key)
                = max(postcode_key) over (partition by number_key, street_key, unit_key, city_key)
                then min(postcode_key) over (partition by number_key, street_key, unit_key, city_key)
        end as postcode_key
    from address_parts

),

addressed_customers as (

    select
        customer_id,
        family_name,
        concat_ws('|', number_key, street_key, unit_key, coalesce(postcode_key, city_key)) as address_key,
        unit_key <> '' as has_unit,
        number_key <> '' and postcode_key is not null as is_full,
        max(case when unit_key <> '' then 1 else 0 end) over (
            partition by number_key, street_key, coalesce(postcode_key, city_key)
        ) = 1 as has_units
    from completed_addresses

),

customer_phones as (

    select distinct
        memberships.customer_id,
        records.phone
    from standardised_records as records
    inner join memberships
        on records.record_id = memberships.record_id
    where records.phone is not null and not array_contains(records.placeholder_fields, 'phone')

),

phone_links as (

    select
        customers.customer_id,
        customers.address_key,
        'phone ' || customer_phones.phone as link,
        count(*) over (partition by customers.address_key, customer_phones.phone) as customers_of_link
    from addressed_customers as customers
    inner join customer_phones
        on customers.customer_id = customer_phones.customer_id

),

own_and_phone_links as (

    select
        customer_id,
        address_key,
        'customer ' || customer_id as link
    from addressed_customers
    union all
    select
        phone_links.customer_id,
        phone_links.address_key,
        phone_links.link
    from phone_links
    cross join limits
    where phone_links.customers_of_link between 2 and limits.phone_max_customers

),

name_links as (

    {% for number in [1, 2, 3] -%}
        select
            customers.customer_id,
            customers.address_key,
            'name '
            || substr(split_part(customers.family_name, ' ', {{ number }}), 1, limits.family_name_letters) as link
        from addressed_customers as customers
        cross join limits
        where length(split_part(customers.family_name, ' ', {{ number }})) >= limits.family_name_part_min_letters
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

all_links as (

    select * from own_and_phone_links
    union all
    select * from name_links

),

family_labels as (

    {{ linked_groups('all_links', rounds) | indent(4) }}

),

phone_labels as (

    {{ linked_groups('own_and_phone_links', rounds) | indent(4) }}

),

address_families as (

    select
        address_key,
        count(distinct label) as families
    from family_labels
    group by address_key

),

addresses as (

    -- Partners who keep their names: few people under two names at one full address. Where somebody in the house names
    -- a flat, who names none may live in any.
    select
        customers.address_key,
        address_families.families > min(limits.address_max_families) as is_crowded,
        address_families.families between 2 and min(limits.partners_max_families)
        and count(*) <= min(limits.partners_max_customers)
        and min(case when customers.is_full and (customers.has_unit or not customers.has_units) then 1 else 0 end) = 1
            as is_of_partners
    from addressed_customers as customers
    inner join address_families
        on customers.address_key = address_families.address_key
    cross join limits
    group by customers.address_key, address_families.families

),

labels as (

    select
        family_labels.customer_id,
        family_labels.address_key,
        addresses.is_crowded,
        coalesce(addresses.is_of_partners, false) as is_of_partners,
        case
            when addresses.is_crowded then phone_labels.label
            when addresses.is_of_partners then min(family_labels.label) over (partition by family_labels.address_key)
            else family_labels.label
        end as label
    from family_labels
    inner join addresses
        on family_labels.address_key = addresses.address_key
    inner join phone_labels
        on family_labels.customer_id = phone_labels.customer_id

),

sized_labels as (

    select
        *,
        count(*) over (partition by address_key, label) as members
    from labels

),

loads as (

    select
        memberships.customer_id,
        memberships.record_id,
        records.first_load_date,
        row_number() over (
            partition by memberships.customer_id order by records.first_load_date, memberships.record_id
        ) as place
    from memberships
    inner join customer_records as records
        on memberships.record_id = records.record_id

),

first_loads as (

    select
        customer_id,
        first_load_date,
        record_id as first_record_id
    from loads
    where place = 1

),

founders as (

    -- The household is named after the member who came first, as a customer is after the record that came first. Of
    -- several who came on one day the records decide: customer ids follow the order in which days were run.
    select
        sized_labels.customer_id,
        sized_labels.is_crowded,
        sized_labels.is_of_partners,
        sized_labels.members,
        sized_labels.members > limits.household_max_members as is_too_large,
        first_value(sized_labels.customer_id) over (
            partition by sized_labels.address_key, sized_labels.label
            order by first_loads.first_load_date, first_loads.first_record_id, sized_labels.customer_id
        ) as founding_customer_id
    from sized_labels
    cross join limits
    left join first_loads
        on sized_labels.customer_id = first_loads.customer_id

),

household_members as (

    select
        customer_id,
        'hh_' || substr(md5(case when is_too_large then customer_id else founding_customer_id end), 1, 20)
            as household_id,
        case when is_too_large then customer_id else founding_customer_id end as founding_customer_id,
        case
            when members = 1 or is_too_large then 'alone'
            when is_crowded then 'shared_phone'
            when is_of_partners then 'shared_address'
            else 'shared_name_or_phone'
        end as household_rule
    from founders

)

select * from household_members
