{#- Scores by rank. -#}

{#- One to five by place in an order that runs from worst to best: one plus the whole fifths of rows that are strictly
    worse. Ties share a score. -#}
{% macro fifths_doing_worse(worst_to_best) -%}
    cast(1 + floor(5.0 * (rank() over (order by {{ worst_to_best }}) - 1) / count(*) over ()) as integer)
{%- endmacro %}
