-- every event that a definition takes for a conversion, before each order is counted once
with

accepted_events as (

    select * from {{ ref('int_events_accepted') }}
    where {{ is_restated_event('event') }}

),

conversion_definitions as (

    select * from {{ ref('conversion_definitions') }}

)

select
    conversion_definitions.conversion_name,
    conversion_definitions.value as value_rule,
    conversion_definitions.once_per,
    accepted_events.event_id,
    accepted_events.source_name,
    accepted_events.device_id,
    accepted_events.user_id,
    accepted_events.session_id,
    accepted_events.session_event_number,
    accepted_events.occurred_at,
    accepted_events.event_order,
    accepted_events.event_date,
    accepted_events.order_id,
    accepted_events.is_bot,
    accepted_events.revenue,
    accepted_events.currency
from accepted_events
inner join conversion_definitions
    on {{ event_selected('accepted_events', 'conversion_definitions') }}
