{{ config(post_hook="{{ build_other_days(ref('int_event_names_counted')) }}") }}
{%- set days = days_of_step(ref('int_event_names_counted')) %}
-- Each day's events meet their properties apart from the others': a large build takes steps
-- of a few days (macros/steps_of_build.sql).
with

-- what can be violated
rules as (

    select * from {{ ref('int_planned_properties_resolved') }}
    where data_type != 'any' or requirement = 'required' or value_pattern != '*'

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
    where
        {{ is_restated_event('day') }}
        and {{ in_days('event_date', days) }}
        and (source_name, event_name) in (
            select
                rules.source_name,
                rules.event_name
            from rules
        )

),

event_properties as (

    select * from {{ ref('int_event_properties_unioned') }}
    where
        {{ in_files_of_restated('day', ref('int_events_accepted'), 'file_id') }}
        and {{ in_files_of_days('file_id', days, ref('int_events_accepted')) }}

),

-- a table of text knows no types
untyped_files as (

    select file_id
    from {{ ref('stg_loader__load_files') }}
    where status = 'loaded' and format = 'csv'
    group by file_id

),

-- unpacked once for all rules
unpacked as (

    select
        accepted_events.event_id,
        accepted_events.source_name,
        accepted_events.event_date,
        accepted_events.event_name,
        untyped_files.file_id is not null as is_untyped,
        event_properties.property_names as typed_names,
        event_properties.property_values as typed_values,
        {{ json_member_names('event_properties.untyped_properties') }} as untyped_names,
        {{ json_member_values('event_properties.untyped_properties') }} as untyped_values
    from accepted_events
    inner join event_properties
        on
            accepted_events.file_id = event_properties.file_id
            and accepted_events.row_number = event_properties.row_number
    left join untyped_files on accepted_events.file_id = untyped_files.file_id

),

looked_up as (

    select
        unpacked.*,
        rules.property_name,
        rules.data_type,
        rules.requirement,
        rules.value_pattern,
        rules.spellings,
        {{ first_json_named('rules.spellings', 'unpacked.typed_names', 'unpacked.typed_values') }}
            as typed_value
    from unpacked
    inner join rules
        on
            unpacked.source_name = rules.source_name
            and unpacked.event_name = rules.event_name

),

looked_up_beside as (

    select
        *,
        case
            when typed_value is null and untyped_names is not null
                then {{ first_json_named('spellings', 'untyped_names', 'untyped_values') }}
        end as untyped_value
    from looked_up

),

with_json as (

    select
        *,
        coalesce(typed_value, untyped_value) as value_json
    from looked_up_beside

),

-- most values are plainly right, as the first characters of their JSON tell; only the others are
-- read and judged, which costs more than all before
doubtful as (

    select *
    from with_json
    where not case
            when value_json is null then requirement != 'required'
            when value_pattern != '*' then false
            when data_type = 'text' then {{ matches('value_json', "'^\"[^\\p{Z}\"\\\\]'") }}
            when data_type = 'number' then {{ matches('value_json', "'^[-0-9]'") }}
            when data_type = 'integer' then {{ matches('value_json', "'^-?[0-9]+$'") }}
            when data_type = 'boolean' then {{ matches('value_json', "'^(true|false)$'") }}
            when data_type = 'list' then {{ matches('value_json', "'^\\[[^ \\]]'") }}
            when data_type = 'object' then {{ matches('value_json', "'^\\{'") }}
            else false
        end

),

-- judged once per value
doubted_once as (

    select
        source_name,
        event_date,
        event_name,
        property_name,
        data_type,
        requirement,
        value_pattern,
        is_untyped,
        typed_value,
        untyped_value,
        count(*) as record_count,
        min(event_id) as first_event_id,
        min_by(
            case
                when requirement = 'required'
                    then coalesce(typed_names, {{ no_texts() }})
            end, event_id
        ) as first_typed_names
    from doubtful
    group by
        source_name, event_date, event_name, property_name, data_type, requirement, value_pattern,
        is_untyped, typed_value, untyped_value

),

sent as (

    select
        *,
        {{ json_text('coalesce(typed_value, untyped_value)', '$') }} as sent_value,
        case
            -- a text without a type of its own is whatever it can be read as
            when
                {{ json_type_name('coalesce(typed_value, untyped_value)') }} = 'text'
                and (typed_value is null or is_untyped)
                then 'untyped'
            when typed_value is not null then {{ json_type_name('typed_value') }}
            else {{ json_type_name('untyped_value') }}
        end as sent_type
    from doubted_once

),

judged as (

    select
        *,
        case
            -- what is blank says nothing, and neither does a list of nothing
            when
                sent_value is null
                or trim(sent_value) = ''
                or (sent_type = 'list' and sent_value = '[]')
                then case when requirement = 'required' then 'missing_property' end
            when
                case
                    when data_type = 'any' then false
                    when data_type = 'text' then sent_type not in ('text', 'untyped')
                    when data_type = 'number' and sent_type = 'untyped'
                        then not {{ matches(
                            'trim(sent_value)',
                            "'^[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?$'"
                        ) }}
                    when data_type = 'number' then sent_type not in ('number', 'integer')
                    when data_type = 'integer'
                        then
                            sent_type not in ('number', 'integer', 'untyped')
                            or not {{ matches('trim(sent_value)', "'^[-+]?[0-9]+([.]0*)?$'") }}
                    when data_type = 'boolean' and sent_type = 'untyped'
                        then lower(trim(sent_value)) not in ('true', 'false')
                    when sent_type = 'untyped'
                        then not {{ is_json('sent_value') }} or left(trim(sent_value), 1)
                            != case when data_type = 'list' then '[' else '{' end
                    else sent_type != data_type
                end
                then 'wrong_type'
            when value_pattern = '*' then null
            when not {{ matches('sent_value', 'value_pattern') }} then 'unexpected_value'
        end as violation
    from sent

),

counted as (

    select
        source_name,
        event_date,
        event_name,
        property_name,
        violation,
        cast(sum(record_count) as bigint) as records_affected,
        min(first_event_id) as example_event_id,
        min_by(sent_type, first_event_id) as example_type,
        min_by(sent_value, first_event_id) as example_value,
        min_by(
            case when violation = 'missing_property' then first_typed_names end, first_event_id
        ) as example_names
    from judged
    group by source_name, event_date, event_name, property_name, violation

),

-- a property that is missing may be there under a name that is nearly right
names_planned as (

    select
        source_name,
        event_name,
        property_name,
        {{ elements_with_position('spellings') }}
    from rules

),

names_sent as (

    select
        source_name,
        event_date,
        event_name,
        property_name,
        {{ elements_with_position('example_names') }}
    from counted
    where violation = 'missing_property'

),

nearly_right as (

    select
        names_sent.source_name,
        names_sent.event_date,
        names_sent.event_name,
        names_sent.property_name,
        min(names_sent.element) as similar_name
    from names_sent
    inner join names_planned
        on
            names_sent.source_name = names_planned.source_name
            and names_sent.event_name = names_planned.event_name
            and names_sent.property_name = names_planned.property_name
            and names_sent.element != names_planned.element
            and {{ name_key('names_sent.element') }} = {{ name_key('names_planned.element') }}
    group by
        names_sent.source_name,
        names_sent.event_date,
        names_sent.event_name,
        names_sent.property_name

),

events_seen as (

    select
        source_name,
        event_date,
        event_name,
        cast(sum(event_count) as bigint) as records_seen
    from {{ ref('int_event_names_counted') }}
    group by source_name, event_date, event_name

)

select
    counted.source_name,
    counted.event_date,
    counted.event_name,
    counted.property_name,
    counted.violation,
    rules.data_type,
    rules.value_pattern,
    rules.source_property_names,
    rules.owner,
    counted.records_affected,
    events_seen.records_seen,
    counted.example_event_id,
    case
        when counted.violation = 'missing_property' then null
        when counted.example_type = 'untyped' then 'text'
        else counted.example_type
    end as example_type,
    case
        when counted.violation != 'missing_property'
            then left(counted.example_value, 200)
    end as example_value,
    case
        when counted.violation = 'missing_property' then nearly_right.similar_name
    end as similar_name
from counted
inner join rules
    on
        counted.source_name = rules.source_name
        and counted.event_name = rules.event_name
        and counted.property_name = rules.property_name
inner join events_seen
    on
        counted.source_name = events_seen.source_name
        and counted.event_date = events_seen.event_date
        and counted.event_name = events_seen.event_name
left join nearly_right
    on
        counted.source_name = nearly_right.source_name
        and counted.event_date = nearly_right.event_date
        and counted.event_name = nearly_right.event_name
        and counted.property_name = nearly_right.property_name
where counted.violation is not null
