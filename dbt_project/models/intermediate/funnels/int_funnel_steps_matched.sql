-- every event of a human that is a step of a funnel, placed on the timeline of the one who must
-- do all steps (`actor_id`: a person or a session)
with

session_events as (

    select * from {{ ref('int_events_accepted') }}
    where
        session_id is not null
    {%- if is_increment() %}
        and session_id in (
            select identified.session_id from {{ ref('int_sessions_identified') }} as identified
            where {{ is_restated('person', 'identified.person_id') }}
        )
        {%- endif %}

),

funnels as (

    select * from {{ ref('funnels') }}

),

sessions as (

    select * from {{ ref('int_sessions_identified') }}
    where not is_bot and {{ is_restated('person', 'person_id') }}

),

selected as (

    select
        funnels.funnel,
        funnels.step,
        funnels.window_hours,
        funnels.scope,
        session_events.event_id,
        session_events.source_name,
        session_events.session_id,
        session_events.occurred_at,
        session_events.event_date
    from session_events
    inner join funnels on {{ event_selected('session_events', 'funnels') }}

),

with_actor as (

    select
        selected.*,
        sessions.person_id,
        sessions.channel,
        sessions.device_category,
        case
            when selected.scope = 'session' then selected.session_id else sessions.person_id
        end as actor_id,
        -- events of one instant count in the order of the steps
        min(selected.step) over (
            partition by selected.funnel, selected.event_id
        ) as first_step_of_event
    from selected
    inner join sessions on selected.session_id = sessions.session_id

)

select
    *,
    -- an event that is two steps has one place, so it can never be both
    dense_rank() over (
        partition by funnel, actor_id
        order by occurred_at, first_step_of_event, event_id
    ) as place
from with_actor
