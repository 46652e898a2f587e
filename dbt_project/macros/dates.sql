{#- Dates and times that a source writes as text, in formats that its contract could not type for every row. -#}

{#- The timestamp that the text means by the first of the formats that reads it; null when none does. Formats are those of
    contracts (`dd/MM/yyyy`); the empty one is ISO 8601. -#}
{% macro parsed_time(expression, formats) -%}
    coalesce(
        {%- for format in formats %}
        {% if format == '' -%}
            try_cast({{ expression }} as timestamp)
        {%- else -%}
            {{ parsed_by_format(expression, format) }}
        {%- endif %}{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{% macro parsed_by_format(expression, format) -%}
    {{ adapter.dispatch('parsed_by_format', 'kindred')(expression, format) }}
{%- endmacro %}

{% macro duckdb__parsed_by_format(expression, format) -%}
    {%- set letters = {
        'yyyy': '%Y', 'yy': '%y', 'MMMM': '%B', 'MMM': '%b', 'MM': '%m', 'dd': '%d', 'HH': '%H', 'hh': '%I',
        'mm': '%M', 'ss': '%S', ' a': ' %p', "'T'": 'T'
    } -%}
    {%- set translated = namespace(text=format) -%}
    {%- for letter, code in letters.items() -%}
        {%- set translated.text = translated.text | replace(letter, code) -%}
    {%- endfor -%}
    try_strptime({{ expression }}, '{{ translated.text }}')
{%- endmacro %}

{% macro default__parsed_by_format(expression, format) -%}
    try_to_timestamp({{ expression }}, '{{ format | replace("'", "''") }}')
{%- endmacro %}

{#- The timestamp that is so many seconds (s), milliseconds (ms) or microseconds (us) after 1970 in UTC. -#}
{% macro epoch_time(expression, unit) -%}
    {%- set factor = {'s': 1000000, 'ms': 1000, 'us': 1}[unit] -%}
    {{ micros_to_time('cast(round(try_cast(' ~ expression ~ ' as double) * ' ~ factor ~ ') as bigint)') }}
{%- endmacro %}

{% macro micros_to_time(micros) -%}
    {{ adapter.dispatch('micros_to_time', 'kindred')(micros) }}
{%- endmacro %}

{% macro duckdb__micros_to_time(micros) -%}
    make_timestamp({{ micros }})
{%- endmacro %}

{% macro default__micros_to_time(micros) -%}
    timestamp_micros({{ micros }})
{%- endmacro %}

{#- The UTC timestamp of a local one, given the name of its time zone (`Europe/Berlin`). -#}
{% macro utc_of(local, zone) -%}
    {{ adapter.dispatch('utc_of', 'kindred')(local, zone) }}
{%- endmacro %}

{% macro duckdb__utc_of(local, zone) -%}
    timezone('UTC', timezone('{{ zone }}', {{ local }}))
{%- endmacro %}

{% macro default__utc_of(local, zone) -%}
    to_utc_timestamp({{ local }}, '{{ zone }}')
{%- endmacro %}
