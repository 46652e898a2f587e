{#- What the active contracts switch on and off. -#}

{#- Whether a source's contract lies in the contracts folder: the `enabled` of its staging models. -#}
{% macro source_is_active(source_name) %}
    {{- return(source_name in var('active_sources')) -}}
{% endmacro %}

{#- All rows of one role, from every active source that feeds it, in the contracts' order.
    `columns` is the role's shape, a dict of column name to type. With no source the relation is empty and of the same
    types, so that a warehouse with only one source still has every table. -#}
{% macro union_of_feeds(role, columns) -%}
    {%- set sources = var('feeds').get(role, []) -%}
    {%- for source_name in sources %}
select
{%- for column, type in columns.items() %}
    cast({{ column }} as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
{%- endfor %}
from {{ ref('stg_' ~ source_name ~ '__' ~ role) }}
{{ 'union all' if not loop.last }}
    {%- else %}
select
{%- for column, type in columns.items() %}
    cast(null as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
{%- endfor %}
where 1 = 0
    {%- endfor %}
{%- endmacro %}

{#- The purposes that ask something of the person, one row each: purpose, asks_for (consent or objection), per_channel,
    basis. From orchestration/privacy/purposes.yml and the contracts. -#}
{% macro asked_purposes() -%}
    {%- for purpose, policy in var('purposes').items() %}
select
    '{{ purpose }}' as purpose,
    '{{ policy.filter }}' as asks_for,
    {{ 'true' if policy.per_channel else 'false' }} as per_channel,
    '{{ policy.basis }}' as basis
{{ 'union all' if not loop.last }}
    {%- else %}
select
    cast(null as string) as purpose,
    cast(null as string) as asks_for,
    cast(null as boolean) as per_channel,
    cast(null as string) as basis
where 1 = 0
    {%- endfor %}
{%- endmacro %}

{#- Which purposes' withdrawal is an objection to which, one row each: purpose, objection. -#}
{% macro purpose_objections() -%}
    {%- set pairs = [] -%}
    {%- for purpose, policy in var('purposes').items() -%}
        {%- for objection in policy.objections -%}
            {%- do pairs.append((purpose, objection)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for purpose, objection in pairs %}
select
    '{{ purpose }}' as purpose,
    '{{ objection }}' as objection
{{ 'union all' if not loop.last }}
    {%- else %}
select
    cast(null as string) as purpose,
    cast(null as string) as objection
where 1 = 0
    {%- endfor %}
{%- endmacro %}
