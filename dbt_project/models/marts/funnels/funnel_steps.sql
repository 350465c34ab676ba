-- a plain group by of the entrants, so the two cannot disagree
with

entrants as (

    select * from {{ ref('funnel_entrants') }}

),

funnels as (

    select * from {{ ref('funnels') }}

),

source_horizons as (

    select * from {{ ref('int_source_horizons') }}

),

entrant_steps as (

    select
        entrants.*,
        -- the window of the last may be over before the day is
        entrants.is_window_complete
        and entrants.entry_date
        < {{ local_date('source_horizons.data_through_at', var('reporting_timezone')) }}
            as is_complete,
        funnels.step,
        funnels.step_name,
        entrants.furthest_step >= funnels.step as is_reached,
        case
            when funnels.step > 1 and entrants.furthest_step >= funnels.step
                then {{ seconds_between(
                    'entrants.step_times[funnels.step - 1]', 'entrants.step_times[funnels.step]'
                ) }}
        end as seconds_from_previous
    from entrants
    inner join funnels on entrants.funnel = funnels.funnel
    inner join source_horizons on entrants.source_name = source_horizons.source_name

),

counted as (

    select
        funnel,
        entry_date,
        step,
        step_name,
        source_name,
        channel,
        device_category,
        count(*) as entrants,
        sum(case when is_reached then 1 else 0 end) as reached,
        sum(case when is_window_complete then 1 else 0 end) as mature_entrants,
        sum(case when is_window_complete and is_reached then 1 else 0 end) as mature_reached,
        sum(case when is_window_complete and furthest_step >= step - 1 then 1 else 0 end)
            as mature_reached_previous,
        cast(median(seconds_from_previous) as decimal(18, 3)) as median_seconds_from_previous,
        min(case when is_complete then 1 else 0 end) = 1 as is_complete_period
    from entrant_steps
    group by funnel, entry_date, step, step_name, source_name, channel, device_category

)

select
    funnel,
    entry_date,
    step,
    step_name,
    source_name,
    channel,
    device_category,
    entrants,
    cast(reached as bigint) as reached,
    cast(mature_entrants as bigint) as mature_entrants,
    cast(mature_reached as bigint) as mature_reached,
    cast(mature_reached_previous as bigint) as mature_reached_previous,
    cast(mature_reached as double) / nullif(mature_entrants, 0) as conversion_rate,
    cast(mature_reached as double) / nullif(mature_reached_previous, 0) as step_conversion_rate,
    median_seconds_from_previous,
    is_complete_period
from counted
