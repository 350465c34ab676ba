-- At any moment a device stands for one person.
{{ config(meta={'dagster': {'ref': {'name': 'person_identities'}}}) }}
with

periods as (

    select
        *,
        lead(valid_from) over (
            partition by source_name, identifier_type, identifier
            order by valid_from, valid_to nulls last
        ) as next_valid_from
    from {{ ref('person_identities') }}
    where identifier_type = 'device'

)

select
    source_name,
    identifier,
    valid_from,
    valid_to,
    next_valid_from
from periods
where next_valid_from is distinct from valid_to
