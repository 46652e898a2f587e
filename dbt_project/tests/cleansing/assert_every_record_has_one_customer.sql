-- Resolution leaves nobody out and invents nobody: records without a customer, and memberships without a record.
with

standardised_records as (

    select * from {{ source('cleansing', 'standardised_records') }}

),

memberships as (

    select * from {{ source('resolution', 'memberships') }}

)

select
    coalesce(standardised_records.record_id, memberships.record_id) as record_id,
    count(memberships.customer_id) as memberships,
    case when max(standardised_records.record_id) is null then 'no such record' else 'not exactly one customer' end
        as problem
from standardised_records
full outer join memberships
    on standardised_records.record_id = memberships.record_id
group by coalesce(standardised_records.record_id, memberships.record_id)
having count(memberships.customer_id) <> 1 or max(standardised_records.record_id) is null
