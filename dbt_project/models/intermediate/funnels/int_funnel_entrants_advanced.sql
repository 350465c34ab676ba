-- from every start, the earliest next step follows; per actor and day the start that got furthest
-- is the entry
with recursive

steps as (

    select * from {{ ref('int_funnel_steps_matched') }}
    where {{ is_restated('person', 'person_id') }}

),

funnel_lengths as (

    select
        funnel,
        max(step) as step_count
    from {{ ref('funnels') }}
    group by funnel

),

next_steps as (

    select * from {{ ref('int_funnel_steps_followed') }}
    where {{ is_restated('person', 'person_id') }}

),

starts as (

    select * from steps
    where step = 1

),

chains as (

    select
        funnel,
        actor_id,
        event_id as start_event_id,
        occurred_at as entered_at,
        window_hours,
        step,
        place,
        occurred_at
    from starts

    union all

    select
        chains.funnel,
        chains.actor_id,
        chains.start_event_id,
        chains.entered_at,
        chains.window_hours,
        chains.step + 1 as step,
        next_steps.next_place as place,
        next_steps.next_occurred_at as occurred_at
    from chains
    inner join next_steps
        on
            chains.funnel = next_steps.funnel
            and chains.actor_id = next_steps.actor_id
            and chains.step = next_steps.step
            and chains.place = next_steps.place
    -- the window runs from the first step, inclusive
    where
        {{ micros_between('chains.entered_at', 'next_steps.next_occurred_at') }}
        <= cast(chains.window_hours as bigint) * 3600000000

),

advanced as (

    select
        funnel,
        actor_id,
        start_event_id,
        max(step) as furthest_step,
        max(occurred_at) as furthest_at,
        {{ list_in_order('occurred_at', 'step') }} as step_times
    from chains
    group by funnel, actor_id, start_event_id

),

ranked as (

    select
        starts.funnel,
        starts.scope,
        starts.window_hours,
        starts.person_id,
        starts.session_id,
        starts.event_id as start_event_id,
        starts.source_name,
        starts.channel,
        starts.device_category,
        starts.event_date as entry_date,
        starts.occurred_at as entered_at,
        advanced.furthest_step,
        advanced.furthest_at,
        advanced.step_times,
        row_number() over (
            partition by starts.funnel, starts.actor_id, starts.event_date
            order by advanced.furthest_step desc, starts.place asc
        ) as preference
    from starts
    inner join advanced
        on
            starts.funnel = advanced.funnel
            and starts.actor_id = advanced.actor_id
            and starts.event_id = advanced.start_event_id

)

select
    {{ stable_id(['ranked.funnel', 'ranked.start_event_id']) }} as funnel_entrant_id,
    ranked.funnel,
    ranked.scope,
    ranked.window_hours,
    ranked.person_id,
    ranked.session_id,
    ranked.source_name,
    coalesce(ranked.channel, '(unknown)') as channel,
    coalesce(ranked.device_category, '(unknown)') as device_category,
    ranked.entry_date,
    ranked.entered_at,
    ranked.furthest_step,
    ranked.step_times,
    funnel_lengths.step_count,
    ranked.furthest_step = funnel_lengths.step_count as is_converted,
    case when ranked.furthest_step = funnel_lengths.step_count then ranked.furthest_at end
        as converted_at,
    row_number() over (
        partition by ranked.funnel, ranked.person_id
        order by ranked.entered_at, ranked.start_event_id
    ) as entry_number
from ranked
inner join funnel_lengths on ranked.funnel = funnel_lengths.funnel
where ranked.preference = 1
