-- when which known user was seen on a device: one row wherever it is another one than before.
-- Taken from events, not from sessions, since sessions that a tracker numbers may overlap
with

user_events as (

    select
        source_name,
        device_id,
        user_id,
        occurred_at,
        event_order,
        event_id
    from {{ ref('int_events_accepted') }}
    where
        user_id is not null
        and session_id is not null
        and {{ is_restated('device', 'device_id') }}

),

with_previous_user as (

    select
        *,
        lag(user_id) over (
            partition by source_name, device_id
            order by occurred_at, event_order nulls last, event_id
        ) as previous_user_id,
        row_number() over (
            partition by source_name, device_id
            order by occurred_at, event_order nulls last, event_id
        ) as sighting_number
    from user_events

)

select
    source_name,
    device_id,
    user_id,
    occurred_at as seen_from_at,
    sighting_number,
    sighting_number = 1 as is_first
from with_previous_user
where previous_user_id is distinct from user_id
