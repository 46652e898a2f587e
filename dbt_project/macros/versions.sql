{#- Choosing among the versions of a row that a source sent over time. -#}

{#- Of a delta source, the latest version of each key: by the source's own time, then by the day it came, then by its
    place in the file. `relation` is a CTE or table with the loader's `_load_date` and `_row`. Adds `first_load_date`,
    the first day on which the key ever came. -#}
{% macro latest_delta(relation, key, updated_at) -%}
select *
from (
    select
        *,
        min(_load_date) over (partition by {{ key }}) as first_load_date,
        row_number() over (
            partition by {{ key }}
            order by {{ updated_at }} desc nulls last, _load_date desc, _row desc
        ) as version_rank
    from {{ relation }}
) as versions
where version_rank = 1
{%- endmacro %}

{#- Of a snapshot source, the rows of the latest snapshot: a key that is missing from it is gone. A snapshot tells no
    time of change, so `changed_on` is the day since which the compared columns have stood as they are; null for a row
    that has not changed since the very first snapshot, of which nobody knows when it was last edited. -#}
{% macro latest_snapshot(relation, key, compared_columns) -%}
select *
from (
    select
        *,
        max(case when is_change then _load_date end) over (partition by {{ key }}) as changed_on
    from (
        select
            *,
            min(_load_date) over (partition by {{ key }}) as first_load_date,
            max(_load_date) over () as latest_load_date,
            row_number() over (partition by {{ key }}, _load_date order by _row desc) as version_rank,
            case
                when _load_date = min(_load_date) over () then false
                else coalesce(
                    row_fingerprint <> lag(row_fingerprint) over (partition by {{ key }} order by _load_date, _row),
                    true
                )
            end as is_change
        from (
            select
                *,
                {{ fingerprint(compared_columns) }} as row_fingerprint
            from {{ relation }}
        ) as fingerprinted
    ) as compared
) as versions
where version_rank = 1 and _load_date = latest_load_date
{%- endmacro %}

{#- The last value that was told, for observations that each carry only part of a profile: a later null does not erase.
    `version_order` increases with time and has no ties within the group. -#}
{% macro latest_known(column, version_order) -%}
    max_by({{ column }}, case when {{ column }} is not null then {{ version_order }} end)
{%- endmacro %}
