{#- Schemas are the stages themselves (`marts`, not `main_marts`): one warehouse file holds one environment, and an
    asset's key is its schema and table. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
