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
