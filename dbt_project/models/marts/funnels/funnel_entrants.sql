-- whether an entrant's window is over is measured against how far the data of its source reaches
with

entrants as (

    select * from {{ ref('int_funnel_entrants_advanced') }}

),

source_horizons as (

    select * from {{ ref('int_source_horizons') }}

)

select
    entrants.funnel_entrant_id,
    entrants.funnel,
    entrants.scope,
    entrants.window_hours,
    entrants.person_id,
    entrants.session_id,
    entrants.source_name,
    entrants.channel,
    entrants.device_category,
    entrants.entry_date,
    entrants.entry_number,
    entrants.entered_at,
    entrants.furthest_step,
    entrants.step_times,
    entrants.step_count,
    entrants.is_converted,
    entrants.converted_at,
    {{ micros_between('entrants.entered_at', 'source_horizons.data_through_at') }}
    >= cast(entrants.window_hours as bigint) * 3600000000 as is_window_complete
from entrants
inner join source_horizons on entrants.source_name = source_horizons.source_name
