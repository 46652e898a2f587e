{#- What survives together: the fields of a unit all come from one record, because a street of one address and the
    postcode of another are an address of nobody. `essential` are the fields by which completeness is counted.
    Which record wins is not decided here but in the seed survivorship_rules. -#}
{%- set units = {
    'name': {
        'fields': ['given_name', 'middle_name', 'family_name'],
        'essential': ['given_name', 'family_name']
    },
    'birth_date': {'fields': ['birth_date'], 'essential': ['birth_date']},
    'gender': {'fields': ['gender'], 'essential': ['gender']},
    'email': {'fields': ['email'], 'essential': ['email']},
    'phone': {'fields': ['phone'], 'essential': ['phone']},
    'address': {
        'fields': ['street', 'unit', 'city', 'region', 'postcode', 'country'],
        'essential': ['street', 'city', 'postcode']
    },
    'national_id': {'fields': ['national_id'], 'essential': ['national_id']},
} -%}
{%- set rule_numbers = [1, 2, 3, 4] -%}

with

standardised_records as (

    select * from {{ source('cleansing', 'standardised_records') }}

),

memberships as (

    select * from {{ source('resolution', 'memberships') }}

),

survivorship_rules as (

    select * from {{ ref('survivorship_rules') }}

),

source_trust as (

    select * from {{ ref('source_trust') }}

),

unlisted_source as (

    select trust
    from source_trust
    where source = '*'

),

member_records as (

    select
        memberships.customer_id,
        records.record_id,
        records.source,
        records.updated_at,
        coalesce(source_trust.trust, unlisted_source.trust) as trust,
    {%- for unit in units.values() -%}
    {%- for field in unit.fields %}
        case
            when array_contains(records.placeholder_fields, '{{ field }}') then null
            else nullif(cast(records.{{ field }} as string), '')
        end as {{ field }}{{ ',' if not loop.last }}
    {%- endfor -%}
        {{ ',' if not loop.last }}
    {%- endfor %}
    from standardised_records as records
    inner join memberships
        on records.record_id = memberships.record_id
    cross join unlisted_source
    left join source_trust
        on records.source = source_trust.source

),

unit_values as (

    {% for name, unit in units.items() -%}
        select
            customer_id,
            record_id,
            source,
            updated_at,
            trust,
            '{{ name }}' as unit,
            {% if unit.fields | length == 1 -%}
                {{ unit.fields[0] }} as unit_value,
            {%- else -%}
                {{ joined_text(unit.fields) | indent(8) }} as unit_value,
            {%- endif %}
            {% for field in unit.essential -%}
                case when {{ field }} is null then 0 else 1 end{{ ' + ' if not loop.last }}
            {%- endfor %} as completeness,
            length(concat_ws('', {{ unit.fields | join(', ') }})) as value_length
        from member_records
        where coalesce({{ unit.fields | join(', ') }}) is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

measured_values as (

    -- Each rule as a number: the higher, the better. Times without a value lose to any time.
    select
        *,
        cast(count(*) over (partition by customer_id, unit, unit_value) as double) as most_frequent,
        cast(trust as double) as most_trusted_source,
        coalesce({{ seconds_since_epoch('updated_at') }}, -1e18) as most_recent,
        cast(completeness as double) as most_complete,
        cast(value_length as double) as longest,
        count(*) over (partition by customer_id, unit) as candidate_count
    from unit_values

),

scored_values as (

    select
        measured.*,
    {%- for number in rule_numbers %}
        rules.rule_{{ number }},
        case rules.rule_{{ number }}
            {%- for rule in ['most_trusted_source', 'most_recent', 'most_frequent', 'most_complete', 'longest'] %}
                when '{{ rule }}' then measured.{{ rule }}
            {%- endfor %}
            else 0
        end as score_{{ number }}{{ ',' if not loop.last }}
    {%- endfor %}
    from measured_values as measured
    inner join survivorship_rules as rules
        on measured.unit = rules.unit

),

best_record_per_value as (

    -- Records that agree on the value are no rivals; the one that stands for them is fixed by the same rules.
    select *
    from (
        select
            *,
            row_number() over (
                partition by customer_id, unit, unit_value
                order by score_1 desc, score_2 desc, score_3 desc, score_4 desc, record_id asc
            ) as place_within_value
        from scored_values
    ) as records_of_value
    where place_within_value = 1

),

ranked_values as (

    select
        *,
        row_number() over best_first as place,
        lead(record_id) over best_first as rival_record_id,
    {%- for number in rule_numbers %}
        lead(score_{{ number }}) over best_first as rival_score_{{ number }}{{ ',' if not loop.last }}
    {%- endfor %}
    from best_record_per_value
    window best_first as (
        partition by customer_id, unit
        order by score_1 desc, score_2 desc, score_3 desc, score_4 desc, record_id asc
    )

),

winners as (

    -- The rule that is named is the first that told the winner from the best other value.
    select
        customer_id,
        unit,
        record_id,
        source,
        case
            when rival_record_id is null then 'only_value'
            {%- for number in rule_numbers %}
                when score_{{ number }} > rival_score_{{ number }} then rule_{{ number }}
            {%- endfor %}
            else 'smallest_record_id'
        end as rule,
        candidate_count
    from ranked_values
    where place = 1

),

winning_records as (

    select
        winners.customer_id,
        winners.unit as winning_unit,
        winners.source,
        winners.record_id,
        winners.rule,
        winners.candidate_count,
    {%- for unit in units.values() -%}
    {%- for field in unit.fields %}
        member_records.{{ field }}{{ ',' if not loop.last }}
    {%- endfor -%}
        {{ ',' if not loop.last }}
    {%- endfor %}
    from winners
    inner join member_records
        on winners.record_id = member_records.record_id

),

golden_values as (

    {% for name, unit in units.items() -%}
        {%- set last_unit = loop.last -%}
        {%- for field in unit.fields -%}
            select
                customer_id,
                '{{ field }}' as field,
                {{ field }} as value,
                source,
                record_id,
                rule,
                candidate_count
            from winning_records
            where winning_unit = '{{ name }}' and {{ field }} is not null
            {% if not (last_unit and loop.last) %}union all{% endif %}
        {% endfor -%}
    {%- endfor %}
)

select * from golden_values
