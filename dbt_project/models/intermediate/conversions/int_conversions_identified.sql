with

converted as (

    select * from {{ ref('int_events_converted') }}

),

sessions as (

    select
        session_id,
        person_id
    from {{ ref('int_sessions_identified') }}

)

select
    {{ stable_id(['converted.conversion_name', 'converted.event_id']) }} as conversion_id,
    converted.conversion_name,
    converted.event_id,
    converted.source_name,
    converted.session_id,
    sessions.person_id,
    converted.converted_at,
    converted.conversion_date,
    converted.order_id,
    converted.value,
    converted.currency,
    converted.value_reporting,
    converted.is_bot
from converted
left join sessions on converted.session_id = sessions.session_id
