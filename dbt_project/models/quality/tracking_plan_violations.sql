with

names_counted as (

    select * from {{ ref('int_event_names_counted') }}

),

names_compared as (

    select * from {{ ref('int_event_names_compared') }}

),

planned_events as (

    select * from {{ ref('int_planned_events_resolved') }}

),

properties_checked as (

    select * from {{ ref('int_planned_properties_checked') }}

),

properties_unplanned as (

    select * from {{ ref('int_unplanned_properties_found') }}

),

source_days as (

    select
        source_name,
        event_date,
        cast(sum(event_count) as bigint) as event_count
    from names_counted
    group by source_name, event_date

),

source_totals as (

    select
        source_name,
        cast(sum(event_count) as bigint) as event_count
    from names_counted
    group by source_name

),

names_ranked as (

    select
        *,
        row_number() over (
            partition by source_name, event_date, event_name
            order by event_count desc, source_event_name asc
        ) as name_rank
    from names_counted

),

event_days as (

    select
        source_name,
        event_date,
        event_name,
        cast(sum(event_count) as bigint) as event_count,
        min(first_event_id) as first_event_id,
        max(case when name_rank = 1 then source_event_name end) as source_event_name
    from names_ranked
    group by source_name, event_date, event_name

),

unplanned_events as (

    select
        event_days.source_name,
        event_days.event_date,
        event_days.event_name,
        event_days.source_event_name,
        names_compared.similar_name,
        event_days.event_count as records_affected,
        event_days.first_event_id as example_event_id,
        row_number() over (
            partition by event_days.source_name, event_days.event_date
            order by event_days.event_count desc, event_days.event_name asc
        ) as name_rank
    from event_days
    inner join names_compared
        on
            event_days.source_name = names_compared.source_name
            and event_days.event_name = names_compared.event_name

),

-- a broken client may send a name of its own with every event: the rest is one row
named_events as (

    select
        source_name,
        event_date,
        event_name,
        source_event_name,
        case
            when similar_name is null then 'unknown_event' else 'near_duplicate_event'
        end as violation,
        similar_name as expected,
        records_affected,
        example_event_id
    from unplanned_events
    where name_rank <= {{ var('plan_names_per_day') }}

    union all

    select
        source_name,
        event_date,
        cast(null as varchar) as event_name,
        cast(null as varchar) as source_event_name,
        'unknown_event' as violation,
        cast(null as varchar) as expected,
        cast(sum(records_affected) as bigint) as records_affected,
        min(example_event_id) as example_event_id
    from unplanned_events
    where name_rank > {{ var('plan_names_per_day') }}
    group by source_name, event_date

),

ranked_properties as (

    select
        *,
        row_number() over (
            partition by source_name, event_date, event_name
            order by records_affected desc, property_name asc
        ) as name_rank
    from properties_unplanned

),

unused_events as (

    select
        planned_events.source_name,
        planned_events.event_name,
        planned_events.owner,
        source_totals.event_count
    from planned_events
    -- a source that sent nothing at all is late, which is another matter
    inner join source_totals on planned_events.source_name = source_totals.source_name
    left join event_days
        on
            planned_events.source_name = event_days.source_name
            and planned_events.event_name = event_days.event_name
    where
        planned_events.is_configured
        and planned_events.is_expected
        and planned_events.event_name != '*'
        and event_days.event_name is null

),

violations as (

    select
        named_events.source_name,
        named_events.event_date,
        named_events.event_name,
        named_events.source_event_name,
        cast(null as varchar) as property_name,
        cast(null as varchar) as source_property_names,
        cast(null as varchar) as similar_property_name,
        named_events.violation,
        named_events.expected,
        cast(null as varchar) as sent_type,
        named_events.records_affected,
        source_days.event_count as records_seen,
        named_events.example_event_id,
        cast(null as varchar) as example_value,
        cast(null as varchar) as owner
    from named_events
    inner join source_days
        on
            named_events.source_name = source_days.source_name
            and named_events.event_date = source_days.event_date

    union all

    select
        source_name,
        cast(null as date) as event_date,
        event_name,
        cast(null as varchar) as source_event_name,
        cast(null as varchar) as property_name,
        cast(null as varchar) as source_property_names,
        cast(null as varchar) as similar_property_name,
        'unused_event' as violation,
        cast(null as varchar) as expected,
        cast(null as varchar) as sent_type,
        0 as records_affected,
        event_count as records_seen,
        cast(null as varchar) as example_event_id,
        cast(null as varchar) as example_value,
        owner
    from unused_events

    union all

    select
        properties_checked.source_name,
        properties_checked.event_date,
        properties_checked.event_name,
        event_days.source_event_name,
        properties_checked.property_name,
        properties_checked.source_property_names,
        properties_checked.similar_name as similar_property_name,
        properties_checked.violation,
        properties_checked.data_type || case
            when properties_checked.value_pattern = '*' then ''
            else ' like ' || properties_checked.value_pattern
        end as expected,
        properties_checked.example_type as sent_type,
        properties_checked.records_affected,
        properties_checked.records_seen,
        properties_checked.example_event_id,
        properties_checked.example_value,
        properties_checked.owner
    from properties_checked
    inner join event_days
        on
            properties_checked.source_name = event_days.source_name
            and properties_checked.event_date = event_days.event_date
            and properties_checked.event_name = event_days.event_name

    union all

    select
        ranked_properties.source_name,
        ranked_properties.event_date,
        ranked_properties.event_name,
        event_days.source_event_name,
        ranked_properties.property_name,
        ranked_properties.property_name as source_property_names,
        cast(null as varchar) as similar_property_name,
        'unplanned_property' as violation,
        cast(null as varchar) as expected,
        cast(null as varchar) as sent_type,
        ranked_properties.records_affected,
        ranked_properties.records_seen,
        ranked_properties.example_event_id,
        cast(null as varchar) as example_value,
        ranked_properties.owner
    from ranked_properties
    inner join event_days
        on
            ranked_properties.source_name = event_days.source_name
            and ranked_properties.event_date = event_days.event_date
            and ranked_properties.event_name = event_days.event_name
    where ranked_properties.name_rank <= {{ var('plan_names_per_day') }}

)

select
    source_name,
    event_date,
    event_name,
    source_event_name,
    property_name,
    source_property_names,
    similar_property_name,
    violation,
    expected,
    sent_type,
    records_affected,
    records_seen,
    cast(records_affected as double) / records_seen as affected_share,
    example_event_id,
    example_value,
    owner
from violations
