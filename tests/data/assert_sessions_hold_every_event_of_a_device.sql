-- An event belongs to a session exactly where it has a device; sessions count all of them.
{{ config(meta={'dagster': {'ref': {'name': 'sessions'}}}) }}
with

events_with_device as (

    select count(*) as event_count
    from {{ ref('events') }}
    where device_id is not null

),

session_events as (

    select coalesce(sum(event_count), 0) as event_count
    from {{ ref('sessions') }}

)

select
    events_with_device.event_count,
    session_events.event_count as session_event_count
from events_with_device
cross join session_events
where events_with_device.event_count != session_events.event_count
