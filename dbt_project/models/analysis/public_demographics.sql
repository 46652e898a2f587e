with

customers as (

    select * from {{ permitted_for(ref('dim_customer'), 'analytics') }} as permitted

),

generalised as (

    select
        coalesce(country, 'unknown') as country,
        case
            when birth_date is null then 'unknown'
            when extract(year from birth_date) < 1940 then 'before 1940'
            else cast(cast(floor(extract(year from birth_date) / 10) as integer) * 10 as {{ dbt.type_string() }}) || 's'
        end as birth_decade,
        coalesce(gender, 'unknown') as gender
    from customers

)

select
    country,
    birth_decade,
    gender,
    count(*) as customers
from generalised
group by country, birth_decade, gender
order by country, birth_decade, gender
