{#- Keys and fingerprints. -#}

{#- A key of 32 hexadecimal characters over columns; null counts as a value of its own. -#}
{% macro surrogate_id(columns) -%}
    md5({{ joined_text(columns) }})
{%- endmacro %}

{#- A fingerprint that changes when any of the columns does. -#}
{% macro fingerprint(columns) -%}
    md5({{ joined_text(columns) }})
{%- endmacro %}

{#- The columns as one text. The separator is a control character that the loader lets through in no value. -#}
{% macro joined_text(columns) -%}
    concat_ws(
        chr(31),
        {%- for column in columns %}
        coalesce(cast({{ column }} as string), chr(30)){{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
