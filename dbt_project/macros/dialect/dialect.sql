{#- What DuckDB and Spark write differently, one dispatched macro each. Where dbt itself has such a macro (`dbt.datediff`,
    `dbt.dateadd`, `dbt.listagg`) that one is used. Everything else in the models is SQL that both read: `string` and
    `decimal` as types, `max_by`, `concat_ws`, `split_part`, window functions without `qualify`. -#}

{#- The type of a JSON document. -#}
{% macro type_json() -%}
    {{ adapter.dispatch('type_json', 'kindred')() }}
{%- endmacro %}

{% macro duckdb__type_json() -%}
    json
{%- endmacro %}

{% macro default__type_json() -%}
    string
{%- endmacro %}

{#- The text at a path such as `$.revenue` of a JSON document; null when it is not there. -#}
{% macro json_text(document, path) -%}
    {{ adapter.dispatch('json_text', 'kindred')(document, path) }}
{%- endmacro %}

{% macro duckdb__json_text(document, path) -%}
    json_extract_string({{ document }}, '{{ path }}')
{%- endmacro %}

{% macro default__json_text(document, path) -%}
    get_json_object({{ document }}, '{{ path }}')
{%- endmacro %}

{#- A JSON object of a dict of key to SQL expression. -#}
{% macro json_object_of(members) -%}
    {{ adapter.dispatch('json_object_of', 'kindred')(members) }}
{%- endmacro %}

{% macro duckdb__json_object_of(members) -%}
    json_object(
        {%- for key, expression in members.items() -%}
            '{{ key }}', {{ expression }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    )
{%- endmacro %}

{% macro default__json_object_of(members) -%}
    to_json(named_struct(
        {%- for key, expression in members.items() -%}
            '{{ key }}', {{ expression }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    ))
{%- endmacro %}

{#- Every occurrence of a regular expression replaced. Patterns are written as SQL of DuckDB reads them, one backslash
    (`\s`); Spark's string literals need it doubled. -#}
{% macro replace_all(expression, pattern, replacement) -%}
    {{ adapter.dispatch('replace_all', 'kindred')(expression, pattern, replacement) }}
{%- endmacro %}

{% macro duckdb__replace_all(expression, pattern, replacement) -%}
    regexp_replace({{ expression }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}

{% macro default__replace_all(expression, pattern, replacement) -%}
    regexp_replace({{ expression }}, '{{ pattern | replace("\\", "\\\\") }}', '{{ replacement }}')
{%- endmacro %}

{#- A group of a regular expression; null when it does not match or the group is empty. -#}
{% macro extract_group(expression, pattern, group) -%}
    {{ adapter.dispatch('extract_group', 'kindred')(expression, pattern, group) }}
{%- endmacro %}

{% macro duckdb__extract_group(expression, pattern, group) -%}
    nullif(regexp_extract({{ expression }}, '{{ pattern }}', {{ group }}), '')
{%- endmacro %}

{% macro default__extract_group(expression, pattern, group) -%}
    nullif(regexp_extract({{ expression }}, '{{ pattern | replace("\\", "\\\\") }}', {{ group }}), '')
{%- endmacro %}

{#- Whether a regular expression matches somewhere in the text. -#}
{% macro matches(expression, pattern) -%}
    {{ adapter.dispatch('matches', 'kindred')(expression, pattern) }}
{%- endmacro %}

{% macro duckdb__matches(expression, pattern) -%}
    regexp_matches({{ expression }}, '{{ pattern }}')
{%- endmacro %}

{% macro default__matches(expression, pattern) -%}
    {{ expression }} rlike '{{ pattern | replace("\\", "\\\\") }}'
{%- endmacro %}

{#- The letters of Chinese, Japanese and Korean names, inside a character class. -#}
{% macro cjk_letters() -%}
    {{ adapter.dispatch('cjk_letters', 'kindred')() }}
{%- endmacro %}

{% macro duckdb__cjk_letters() -%}
    \p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}
{%- endmacro %}

{% macro default__cjk_letters() -%}
    \p{IsHan}\p{IsHiragana}\p{IsKatakana}\p{IsHangul}
{%- endmacro %}

{#- One row per day from one date to another, both included; `source` is the relation that holds the two. -#}
{% macro day_spine(source, first_day, last_day, alias) -%}
    {{ adapter.dispatch('day_spine', 'kindred')(source, first_day, last_day, alias) }}
{%- endmacro %}

{% macro duckdb__day_spine(source, first_day, last_day, alias) -%}
select cast(spine.day_at as date) as {{ alias }}
from {{ source }}
cross join unnest(generate_series(
    cast({{ first_day }} as timestamp), cast({{ last_day }} as timestamp), interval 1 day
)) as spine (day_at)
{%- endmacro %}

{% macro default__day_spine(source, first_day, last_day, alias) -%}
select explode(sequence({{ first_day }}, {{ last_day }}, interval 1 day)) as {{ alias }}
from {{ source }}
where {{ first_day }} <= {{ last_day }}
{%- endmacro %}

{#- Seconds since 1970 of a timestamp in UTC, as a floating-point number. -#}
{% macro seconds_since_epoch(expression) -%}
    {{ adapter.dispatch('seconds_since_epoch', 'kindred')(expression) }}
{%- endmacro %}

{% macro duckdb__seconds_since_epoch(expression) -%}
    epoch({{ expression }})
{%- endmacro %}

{% macro default__seconds_since_epoch(expression) -%}
    cast(unix_micros({{ expression }}) as double) / 1000000
{%- endmacro %}
