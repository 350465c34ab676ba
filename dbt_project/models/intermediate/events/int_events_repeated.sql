-- a record that came again: the same content is a duplicate, other content under one id a conflict
with

repeats as (

    select * from {{ ref('int_events_sessionized') }}
    where verdict = 'repeated' and {{ is_restated_event('event') }}

),

-- few and narrow: these are held in memory to join, not the events
repeated_ids as (

    select event_id from {{ ref('int_events_sessionized') }}
    where verdict = 'repeated' and {{ is_restated_event('event') }}
    group by event_id

),

-- an increment finds them first, else the engine holds all events of these days in memory
accepted_events as {{ computed_once() if is_increment() }} (

    select
        {{ (event_preference_columns() + ['occurred_at'] + event_content()) | join(',\n        ') }}
    from {{ ref('int_events_accepted') }}
    where
        event_id in (select repeated_ids.event_id from repeated_ids)
        and {{ is_restated_day('event_day', 'event_date') }}

)

select
    repeats.event_id,
    repeats.source_name,
    repeats.file_id,
    repeats.row_number,
    repeats.loaded_at,
    accepted_events.file_id as accepted_file_id,
    accepted_events.row_number as accepted_row_number,
    -- a partial record says less than the whole one: other content, and no contradiction
    (repeats.is_partial and not accepted_events.is_partial)
    -- … and an earlier telling is superseded by the later
    or coalesce(repeats.revised_at < accepted_events.revised_at, false)
    or (
        {{ stable_id(prefixed('repeats', event_content())) }}
        = {{ stable_id(prefixed('accepted_events', event_content())) }}
        -- a record that is sent again has another time where the collector's clock corrects it
        and (
            repeats.occurred_at is not distinct from accepted_events.occurred_at
            or (repeats.received_at is not null and accepted_events.received_at is not null)
        )
    ) as is_same_content
from repeats
inner join accepted_events on repeats.event_id = accepted_events.event_id
