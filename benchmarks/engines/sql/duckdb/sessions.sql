-- The table holds each device's events one after the other, and DuckDB reads a table in its order:
-- no step sorts. A session reaches from its first event to before the next session's.
with

placed as (

    select
        event_id,
        device_id,
        person_id,
        occurred_at,
        row_number() over () as place,
        lag(device_id) over () as previous_device_id,
        lag(occurred_at) over () as previous_occurred_at
    from events

),

starts as (

    select * from placed
    where
        device_id is distinct from previous_device_id
        or occurred_at - previous_occurred_at > interval 30 minutes

),

reaching as (

    select
        *,
        lead(previous_occurred_at) over () as next_previous_occurred_at,
        lead(place) over () as next_place
    from starts

),

ends as (

    select
        count(*) as event_count,
        max_by(occurred_at, (device_id, occurred_at)) as last_occurred_at
    from events

)

select
    reaching.event_id as session_id,
    reaching.device_id,
    reaching.person_id,
    reaching.occurred_at as started_at,
    coalesce(reaching.next_previous_occurred_at, ends.last_occurred_at) as ended_at,
    coalesce(reaching.next_place, ends.event_count + 1) - reaching.place as event_count
from reaching
cross join ends
