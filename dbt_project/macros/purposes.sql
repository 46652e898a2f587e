{#- What stands between a person's data and a purpose. Whoever declares a purpose in a model's meta reads every table
    with personal data through one of these; the build checks that (orchestration/privacy/purpose_check.py). Both are a
    select in brackets, so that nothing written behind them can widen them.

    What each purpose asks for comes from the var `purposes`, which the runner fills from orchestration/privacy/purposes.yml
    and the contracts; the answer is marts.customer_permissions. -#}

{#- A relation with a column customer_id, only the customers whose data may be used for the purpose, or for each of several.
    Usage: `select * from {{ permitted_for(ref('fct_orders'), 'profiling') }} as permitted`. -#}
{% macro permitted_for(relation, purposes) -%}
    {%- set asked = [purposes] if purposes is string else purposes -%}
    (
        select unfiltered.*
        from {{ relation }} as unfiltered
        where
            {%- for purpose in asked %}
            {{ 'and ' if not loop.first }}unfiltered.customer_id in (
                select permissions.customer_id
                from {{ ref('customer_permissions') }} as permissions
                where permissions.purpose = '{{ purpose }}'
            )
            {%- endfor %}
    )
{%- endmacro %}

{#- Who may be reached for the purpose, by which channel: customer_id, channel, legal_basis, decided_at. -#}
{% macro permitted_channels(purpose) -%}
    (
        select
            permissions.customer_id,
            permissions.channel,
            permissions.legal_basis,
            permissions.decided_at
        from {{ ref('customer_permissions') }} as permissions
        where permissions.purpose = '{{ purpose }}'
    )
{%- endmacro %}
