{#- Text as sources write it. Only what mapping onto one shape needs: letter case, placeholders and formats are
    standardised later, by orchestration/standardise. -#}

{#- Without blanks around it; an empty text is no value. -#}
{% macro blank_to_null(expression) -%}
    nullif(trim({{ expression }}), '')
{%- endmacro %}

{#- The ISO 3166-1 two-letter code for a country written as a code or as a name, given the seed country_names joined as
    `country_names` on `country_name_key`. What neither knows stays as it came, so that a gate can show it. -#}
{% macro country_code(expression) -%}
    coalesce(
        country_names.iso2,
        case when length(trim({{ expression }})) = 2 then upper(trim({{ expression }})) end,
        {{ blank_to_null(expression) }}
    )
{%- endmacro %}

{% macro country_name_key(expression) -%}
    lower(trim({{ expression }}))
{%- endmacro %}
