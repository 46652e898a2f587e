{#- The columns together are the table's key: none is null, and no combination comes twice. One query instead of one per
    column and rule; a failure shows the key and how many rows have it. -#}
{% test is_key(model, columns) %}

    select
        {{ columns | join(', ') }},
        count(*) as rows_with_this_key
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1 or {{ columns | join(' is null or ') }} is null

{% endtest %}
