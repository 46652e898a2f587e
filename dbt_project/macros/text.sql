{#- Text as sources write it. Only what mapping onto one shape needs: letter case, placeholders and formats are
    standardised later, by orchestration/standardise. -#}

{#- Without blanks around it; an empty text is no value. -#}
{% macro blank_to_null(expression) -%}
    nullif(trim({{ expression }}), '')
{%- endmacro %}

{#- A word as orchestration/scaffold/data/roles.yaml lists it: lower case, one underscore for every run of other signs. -#}
{% macro plain_word(expression) -%}
    trim({{ replace_all('lower(' ~ expression ~ ')', '[^\\p{L}\\p{N}]+', '_') }}, '_')
{%- endmacro %}
