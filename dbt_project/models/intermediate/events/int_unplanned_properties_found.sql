with

closed_events as (

    select * from {{ ref('int_planned_events_resolved') }}
    where is_closed and event_name != '*'

),

planned_properties as (

    select * from {{ ref('int_planned_properties_resolved') }}

),

planned_names as (

    select
        source_name,
        event_name,
        {{ elements_with_position('spellings') }}
    from planned_properties

),

accepted_events as (

    select
        event_id,
        source_name,
        event_date,
        event_name,
        file_id,
        row_number
    from {{ ref('int_events_accepted') }}
    where {{ is_restated_event('day') }}

),

event_properties as (

    select
        file_id,
        row_number,
        property_names
    from {{ ref('int_event_properties_unioned') }}
    where {{ in_files_of_restated('day', ref('int_events_accepted'), 'file_id') }}

),

closed_events_sent as (

    select
        accepted_events.event_id,
        accepted_events.source_name,
        accepted_events.event_date,
        accepted_events.event_name,
        closed_events.owner,
        event_properties.property_names
    from accepted_events
    inner join closed_events
        on
            accepted_events.source_name = closed_events.source_name
            and accepted_events.event_name = closed_events.event_name
    inner join event_properties
        on
            accepted_events.file_id = event_properties.file_id
            and accepted_events.row_number = event_properties.row_number

),

counted as (

    select
        source_name,
        event_date,
        event_name,
        count(*) as records_seen
    from closed_events_sent
    group by source_name, event_date, event_name

),

properties_sent as (

    select
        event_id,
        source_name,
        event_date,
        event_name,
        owner,
        {{ elements_with_position('property_names') }}
    from closed_events_sent

)

select
    properties_sent.source_name,
    properties_sent.event_date,
    properties_sent.event_name,
    properties_sent.element as property_name,
    properties_sent.owner,
    count(distinct properties_sent.event_id) as records_affected,
    counted.records_seen,
    min(properties_sent.event_id) as example_event_id
from properties_sent
inner join counted
    on
        properties_sent.source_name = counted.source_name
        and properties_sent.event_date = counted.event_date
        and properties_sent.event_name = counted.event_name
left join planned_names
    on
        properties_sent.source_name = planned_names.source_name
        and properties_sent.event_name = planned_names.event_name
        and properties_sent.element = planned_names.element
where planned_names.element is null and properties_sent.element is not null
group by
    properties_sent.source_name,
    properties_sent.event_date,
    properties_sent.event_name,
    properties_sent.element,
    properties_sent.owner,
    counted.records_seen
