{#- Text as sources write it. Only what mapping onto one shape needs: letter case, placeholders and formats are
    standardised later, by orchestration/standardise. -#}

{#- Without blanks around it; an empty text is no value. -#}
{% macro blank_to_null(expression) -%}
    nullif(trim({{ expression }}), '')
{%- endmacro %}
