-- a record that came again: the same content is a duplicate, other content under one id a conflict
{%- set content = [
    'source_event_name', 'occurred_at', 'device_id', 'user_id', 'page_url', 'page_title',
    'referrer_url', 'utm_source', 'utm_medium', 'utm_campaign', 'user_agent', 'order_id',
    'revenue', 'currency', 'item_id', 'engaged_seconds', 'scroll_percent', 'properties',
] %}

with

repeats as (

    select * from {{ ref('int_events_sessionized') }}
    where verdict = 'repeated'

),

accepted_events as (

    select * from {{ ref('int_events_accepted') }}

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
    or {{ stable_id(prefixed('repeats', content)) }}
    = {{ stable_id(prefixed('accepted_events', content)) }} as is_same_content
from repeats
inner join accepted_events on repeats.event_id = accepted_events.event_id
