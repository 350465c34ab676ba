-- The steps of a funnel are 1, 2, 3, … and its window and scope are the same in every row.
{{ config(meta={'dagster': {'ref': {'name': 'funnel_steps'}}}) }}
select
    funnel,
    count(*) as step_count,
    min(step) as first_step,
    max(step) as last_step
from {{ ref('funnels') }}
group by funnel
having
    min(step) != 1
    or max(step) != count(*)
    or min(window_hours) != max(window_hours)
    or min(scope) != max(scope)
