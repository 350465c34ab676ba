-- Steps follow each other in time, all within the window, and there are as many as were reached.
{{ config(meta={'dagster': {'ref': {'name': 'funnel_entrants'}}}) }}
select
    funnel_entrant_id,
    entered_at,
    furthest_step,
    step_times
from {{ ref('funnel_entrants') }}
where
    cardinality(step_times) != furthest_step
    or step_times[1] != entered_at
    or {{ micros_between('entered_at', 'step_times[furthest_step]') }} < 0
    or {{ micros_between('entered_at', 'step_times[furthest_step]') }}
    > cast(window_hours as bigint) * 3600000000
