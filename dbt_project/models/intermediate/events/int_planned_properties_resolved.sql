with

planned_events as (

    select * from {{ ref('int_planned_events_resolved') }}
    where event_name != '*'

),

planned_properties as (

    select * from {{ ref('planned_properties') }}

),

property_names as (

    select * from {{ ref('property_names') }}

),

-- what is asked about: a property that some row names for this source and this event
named as (

    select distinct
        planned_events.source_name,
        planned_events.source_kind,
        planned_events.event_name,
        planned_events.owner,
        planned_properties.property_name
    from planned_events
    inner join planned_properties
        on
            planned_properties.source_name in ('*', planned_events.source_name)
            and planned_properties.event_name in ('*', planned_events.event_name)
            and planned_properties.property_name != '*'

),

applicable as (

    select
        named.*,
        planned_properties.data_type,
        planned_properties.requirement,
        planned_properties.value_pattern,
        row_number() over (
            partition by named.source_name, named.event_name, named.property_name
            order by
                case when planned_properties.source_name = '*' then 1 else 0 end,
                case when planned_properties.event_name = '*' then 1 else 0 end,
                case when planned_properties.property_name = '*' then 1 else 0 end
        ) as preference
    from named
    inner join planned_properties
        on
            planned_properties.source_name in ('*', named.source_name)
            and planned_properties.event_name in ('*', named.event_name)
            and planned_properties.property_name in ('*', named.property_name)

),

spelled as (

    select
        source_name,
        event_name,
        property_name,
        property_name as spelling,
        0 as breadth,
        0 as priority
    from named

    union all

    select
        named.source_name,
        named.event_name,
        named.property_name,
        property_names.source_property_name as spelling,
        case
            when property_names.source_name != '*' then 1
            when property_names.source_kind != '*' then 2
            else 3
        end as breadth,
        property_names.priority
    from named
    inner join property_names
        on
            named.property_name = property_names.property_name
            and property_names.source_kind in ('*', named.source_kind)
            and property_names.source_name in ('*', named.source_name)

),

-- a name that the kind and all kinds have in common counts where it is narrowest
ranked as (

    select
        *,
        row_number() over (
            partition by source_name, event_name, property_name, spelling
            order by breadth, priority
        ) as preference
    from spelled

),

spellings as (

    select
        source_name,
        event_name,
        property_name,
        {{ list_in_order('spelling', 'breadth, priority, spelling') }} as spellings,
        string_agg(spelling, ', ' order by breadth, priority, spelling) as source_property_names
    from ranked
    where preference = 1
    group by source_name, event_name, property_name

)

select
    applicable.source_name,
    applicable.event_name,
    applicable.property_name,
    applicable.data_type,
    applicable.requirement,
    applicable.value_pattern,
    applicable.owner,
    spellings.spellings,
    spellings.source_property_names
from applicable
inner join spellings
    on
        applicable.source_name = spellings.source_name
        and applicable.event_name = spellings.event_name
        and applicable.property_name = spellings.property_name
where applicable.preference = 1
