-- A person has one user id at most (within its namespace): a shared device merges nobody.
{{ config(meta={'dagster': {'ref': {'name': 'persons'}}}) }}
select
    person_id,
    count(distinct user_id) as user_count
from {{ ref('sessions') }}
where user_id is not null
group by person_id
having count(distinct user_id) > 1
