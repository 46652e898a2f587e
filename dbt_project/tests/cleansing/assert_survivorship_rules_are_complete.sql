-- A mistyped rule would tie every record and a missing unit would empty its fields, both without an error.
with

survivorship_rules as (

    select * from {{ ref('survivorship_rules') }}

),

source_trust as (

    select * from {{ ref('source_trust') }}

),

needed_units as (

    {% for unit in ['name', 'birth_date', 'gender', 'email', 'phone', 'address', 'national_id'] -%}
        select '{{ unit }}' as unit
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

used_rules as (

    {% for number in [1, 2, 3, 4] -%}
        select
            unit,
            rule_{{ number }} as rule
        from survivorship_rules
        where rule_{{ number }} is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

problems as (

    select
        coalesce(needed_units.unit, survivorship_rules.unit) as subject,
        'unit without rules, or rules without a unit' as problem
    from needed_units
    full outer join survivorship_rules
        on needed_units.unit = survivorship_rules.unit
    where needed_units.unit is null or survivorship_rules.rule_1 is null
    union all
    select
        unit || ': ' || rule as subject,
        'unknown rule' as problem
    from used_rules
    where rule not in ('most_trusted_source', 'most_recent', 'most_frequent', 'most_complete', 'longest')
    union all
    select
        'source_trust' as subject,
        'no row * for sources that are not listed' as problem
    from source_trust
    having count(*) filter (where source = '*') = 0

)

select * from problems
