-- a name that nobody planned is compared with the planned ones, with what vendors call them, and
-- with the source's own frequent names; every comparison is with one name per key, so that ten
-- thousand hostile names cost no more than ten thousand
with

seen as (

    select
        source_name,
        event_name,
        cast(sum(event_count) as bigint) as event_count
    from {{ ref('int_event_names_counted') }}
    group by source_name, event_name

),

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

event_names as (

    select * from {{ ref('event_names') }}

),

planned_events as (

    select * from {{ ref('int_planned_events_resolved') }}

),

unplanned as (

    select
        seen.source_name,
        seen.event_name,
        seen.event_count,
        {{ name_key('seen.event_name') }} as name_key
    from seen
    left join planned_events
        on
            seen.source_name = planned_events.source_name
            and planned_events.event_name in ('*', seen.event_name)
    where planned_events.event_name is null

),

known_names as (

    select
        source_name,
        event_name as known_name,
        0 as distrust,
        cast(null as bigint) as event_count
    from planned_events
    where event_name != '*'

    union all

    select
        sources.source_name,
        event_names.source_event_name as known_name,
        1 as distrust,
        cast(null as bigint) as event_count
    from event_names
    inner join sources
        on
            event_names.source_kind = sources.source_kind
            and event_names.source_name in ('*', sources.source_name)

    union all

    select
        source_name,
        event_name as known_name,
        2 as distrust,
        event_count
    from unplanned

),

keyed as (

    select
        *,
        {{ name_key('known_name') }} as name_key
    from known_names

),

one_per_key as (

    select
        *,
        row_number() over (
            partition by source_name, name_key
            order by distrust asc, event_count desc nulls last, known_name asc
        ) as preference
    from keyed

),

ranked as (

    select
        *,
        row_number() over (
            partition by source_name, distrust
            order by event_count desc nulls last, known_name asc
        ) as frequency_rank
    from one_per_key
    where preference = 1 and name_key != ''

),

pairs as (

    select
        unplanned.source_name,
        unplanned.event_name,
        ranked.known_name as similar_name,
        0 as distance,
        ranked.distrust
    from unplanned
    inner join ranked
        on
            unplanned.source_name = ranked.source_name
            and unplanned.name_key = ranked.name_key
            and unplanned.event_name != ranked.known_name

    union all

    -- one typing mistake in a name that is long enough to be no other word; digits tell names
    -- apart on purpose; of two names that nobody planned, the mistake is the rare one
    select
        unplanned.source_name,
        unplanned.event_name,
        ranked.known_name as similar_name,
        1 as distance,
        ranked.distrust
    from unplanned
    inner join ranked
        on
            unplanned.source_name = ranked.source_name
            and case
                when unplanned.name_key = ranked.name_key then false
                when length(unplanned.name_key) not between 7 and 64 then false
                when abs(length(unplanned.name_key) - length(ranked.name_key)) > 1 then false
                when
                    ranked.distrust = 2
                    and (
                        ranked.frequency_rank > 50
                        or ranked.event_count < 10 * unplanned.event_count
                    )
                    then false
                when
                    {{ replace_matches('unplanned.name_key', "'[^0-9]'", "''") }}
                    != {{ replace_matches('ranked.name_key', "'[^0-9]'", "''") }}
                    then false
                else {{ edit_distance('unplanned.name_key', 'ranked.name_key') }} = 1
            end

),

nearest as (

    select
        *,
        row_number() over (
            partition by source_name, event_name order by distance, distrust, similar_name
        ) as preference
    from pairs

)

select
    unplanned.source_name,
    unplanned.event_name,
    nearest.similar_name
from unplanned
left join nearest
    on
        unplanned.source_name = nearest.source_name
        and unplanned.event_name = nearest.event_name
        and nearest.preference = 1
