with

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

planned_events as (

    select * from {{ ref('planned_events') }}

),

applicable as (

    select
        sources.source_name,
        sources.source_kind,
        sources.is_configured,
        planned_events.event_name,
        planned_events.is_expected,
        planned_events.is_closed,
        planned_events.owner,
        row_number() over (
            partition by sources.source_name, planned_events.event_name
            order by case when planned_events.source_name = '*' then 1 else 0 end
        ) as preference
    from planned_events
    inner join sources on planned_events.source_name in ('*', sources.source_name)

)

select
    source_name,
    source_kind,
    is_configured,
    event_name,
    is_expected,
    is_closed,
    owner
from applicable
where preference = 1
