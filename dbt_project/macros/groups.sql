{#- Rows among their neighbours: groups that shared links connect, and the nearest row for which something holds. -#}

{#- One row per customer and address with the smallest customer id (`label`) that links connect it to at that address.
    `links` is a relation of customer_id, address_key and link. Each round passes the smallest id on by one link, so that
    connections of up to `rounds` links are found. -#}
{% macro linked_groups(links, rounds) -%}
    {%- set passed_on = namespace(sql='select *, customer_id as label from ' ~ links) -%}
    {%- for round in range(rounds) -%}
        {%- set passed_on.sql -%}
select customer_id, address_key, link, min(label_of_link) over (partition by customer_id) as label
from (
    select *, min(label) over (partition by address_key, link) as label_of_link
    from ({{ passed_on.sql }}) as labelled
) as passed_on
        {%- endset -%}
    {%- endfor -%}
select
    customer_id,
    address_key,
    min(label) as label
from ({{ passed_on.sql }}) as labelled
group by customer_id, address_key
{%- endmacro %}

{#- The place of the nearest row before this one for which `condition` holds, among rows with the same `partition` in
    order of `place`; null when there is none. -#}
{% macro nearest_before(condition, partition, place) -%}
    max(case when {{ condition }} then {{ place }} end)
        over (partition by {{ partition }} order by {{ place }} rows between unbounded preceding and 1 preceding)
{%- endmacro %}

{#- The same for the nearest row after this one. -#}
{% macro nearest_after(condition, partition, place) -%}
    min(case when {{ condition }} then {{ place }} end)
        over (partition by {{ partition }} order by {{ place }} rows between 1 following and unbounded following)
{%- endmacro %}
