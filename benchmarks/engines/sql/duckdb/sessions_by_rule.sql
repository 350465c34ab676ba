-- a group by of what our model makes of the events
select
    session_id,
    min(device_id) as device_id,
    min(occurred_at) as started_at,
    max(occurred_at) as ended_at,
    count(*) as event_count
from intermediate.int_events_sessionized
where verdict = 'accepted' and session_id is not null
group by session_id
