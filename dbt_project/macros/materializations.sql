{#- How DuckDB makes a table or a view: in one statement, which replaces what was there, within one transaction.

    The adapter's own builds beside the old one, renames both and drops: ten statements, so that no reader misses the table.
    The working file has no reader while dbt writes, and a transaction that fails leaves the old table as it was. Of a small
    table's time this saves half. Models of a Spark target keep that adapter's own. -#}

{% materialization table, adapter="duckdb" %}
    {%- set target = this.incorporate(type="table") -%}
    {{ run_hooks(pre_hooks) }}
    {{ make_room_for(target) }}
    {% call statement("main") -%}
        {%- if config.get("contract").enforced -%}
            {{ get_assert_columns_equivalent(compiled_code) }}
            create or replace table {{ target }} {{ get_table_columns_and_constraints() }};
            insert into {{ target }} {{ get_column_names() }} ({{ get_select_subquery(compiled_code) }});
        {%- else -%}
            create or replace table {{ target }} as ({{ compiled_code }});
        {%- endif -%}
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({"relations": [target]}) }}
{% endmaterialization %}


{% materialization view, adapter="duckdb" %}
    {%- set target = this.incorporate(type="view") -%}
    {{ run_hooks(pre_hooks) }}
    {{ make_room_for(target) }}
    {% call statement("main") -%}
        create or replace view {{ target }} as ({{ compiled_code }});
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({"relations": [target]}) }}
{% endmaterialization %}


{#- A view cannot be replaced by a table, nor the reverse. -#}
{% macro make_room_for(target) %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if existing is not none and existing.type != target.type -%}
        {{ drop_relation_if_exists(existing) }}
    {%- endif -%}
{% endmacro %}
