{%- set unit = 'source_name, field_name, data_type' -%}
{%- set full_days_of_unit -%}
    partition by units.source_name, units.field_name, units.data_type
    order by full_days.day_number
{%- endset %}

with

fields as (

    select * from {{ ref('int_fields_counted') }}

),

load_files as (

    select
        file_id,
        min(path) as path
    from {{ ref('stg_loader__load_files') }}
    group by file_id

),

days as (

    select distinct
        source_name,
        event_date,
        day_record_count,
        min(event_date) over (partition by source_name) as first_date
    from fields

),

-- a day with few records says nothing about what is missing
full_days as (

    select
        source_name,
        event_date,
        day_record_count,
        row_number() over (partition by source_name order by event_date) as day_number
    from days
    where day_record_count >= {{ var('drift_day_records') }}

),

fields_whole as (

    select
        source_name,
        event_date,
        field_name,
        least(cast(sum(record_count) as bigint), max(day_record_count)) as record_count,
        max(day_record_count) as day_record_count,
        string_agg(data_type, ', ' order by data_type) as data_types,
        min(example_file_id) as example_file_id
    from fields
    group by source_name, event_date, field_name

),

-- each field as a whole (null), and as each of its types: both come and go by the same rule
units as (

    select
        source_name,
        event_date,
        field_name,
        data_type,
        record_count
    from fields

    union all

    select
        source_name,
        event_date,
        field_name,
        cast(null as varchar) as data_type,
        record_count
    from fields_whole

),

steady_runs as (

    select
        units.source_name,
        units.field_name,
        units.data_type,
        full_days.day_number,
        full_days.day_number - lag(full_days.day_number, {{ var('drift_steady_days') - 1 }}) over (
            {{ full_days_of_unit }}
        ) as run_days,
        min(case
            when
                units.record_count
                >= {{ var('drift_steady_share') }} * full_days.day_record_count
                then 1
            else 0
        end) over (
            {{ full_days_of_unit }}
            rows between {{ var('drift_steady_days') - 1 }} preceding and current row
        ) as is_each_day_steady,
        lead(full_days.day_number) over (
            {{ full_days_of_unit }}
        ) as next_day_number
    from units
    inner join full_days
        on
            units.source_name = full_days.source_name
            and units.event_date = full_days.event_date

),

-- there on each of so many full days, and on the next one gone
gone as (

    select
        steady_runs.source_name,
        steady_runs.field_name,
        steady_runs.data_type,
        full_days.event_date
    from steady_runs
    inner join full_days
        on
            steady_runs.source_name = full_days.source_name
            and steady_runs.day_number + 1 = full_days.day_number
    where
        steady_runs.run_days = {{ var('drift_steady_days') - 1 }}
        and steady_runs.is_each_day_steady = 1
        and steady_runs.next_day_number is distinct from steady_runs.day_number + 1

),

timeline as (

    select
        {{ unit }},
        event_date,
        false as is_gone
    from units

    union all

    select
        {{ unit }},
        event_date,
        true as is_gone
    from gone

),

with_state_before as (

    select
        *,
        lag(is_gone) over (partition by {{ unit }} order by event_date) as was_gone
    from timeline

),

-- seen for the first time, or again after it had gone; all is new on the first day of a source
come as (

    select with_state_before.*
    from with_state_before
    inner join days
        on
            with_state_before.source_name = days.source_name
            and with_state_before.event_date = days.event_date
    where
        not with_state_before.is_gone
        and coalesce(with_state_before.was_gone, true)
        and days.event_date > days.first_date

),

-- integers are numbers: where both occur, or did before, one of them alone is no other type
first_numbers as (

    select
        source_name,
        field_name,
        min(event_date) as first_date
    from fields
    where data_type = 'number'
    group by source_name, field_name

),

types_come as (

    select come.*
    from come
    left join first_numbers
        on
            come.data_type = 'integer'
            and come.source_name = first_numbers.source_name
            and come.field_name = first_numbers.field_name
            and come.event_date >= first_numbers.first_date
    where come.data_type is not null and first_numbers.first_date is null

),

types_gone as (

    select gone.*
    from gone
    left join fields
        on
            gone.source_name = fields.source_name
            and gone.field_name = fields.field_name
            and gone.event_date = fields.event_date
            and (
                (gone.data_type = 'integer' and fields.data_type = 'number')
                or (gone.data_type = 'number' and fields.data_type = 'integer')
            )
    where gone.data_type is not null and fields.field_name is null

),

changes as (

    select
        source_name,
        event_date,
        field_name,
        'new' as change
    from come
    where data_type is null

    union all

    select
        source_name,
        event_date,
        field_name,
        'vanished' as change
    from gone
    where data_type is null

    union all

    select
        source_name,
        event_date,
        field_name,
        'retyped' as change
    from types_come

    union all

    select
        source_name,
        event_date,
        field_name,
        'retyped' as change
    from types_gone

),

-- a field that comes or goes as a whole is not retyped as well
drifted as (

    select
        source_name,
        event_date,
        field_name,
        min(change) filter (where change != 'retyped') as whole_change
    from changes
    group by source_name, event_date, field_name

),

seen as (

    select
        source_name,
        field_name,
        min(event_date) as first_seen_date,
        max(event_date) as last_seen_date
    from fields
    group by source_name, field_name

),

with_last_sight as (

    select
        drifted.*,
        max(fields_whole.event_date) as last_sight_date
    from drifted
    left join fields_whole
        on
            drifted.source_name = fields_whole.source_name
            and drifted.field_name = fields_whole.field_name
            and drifted.event_date > fields_whole.event_date
    group by
        drifted.source_name, drifted.event_date, drifted.field_name, drifted.whole_change

)

select
    with_last_sight.source_name,
    with_last_sight.event_date,
    with_last_sight.field_name,
    coalesce(with_last_sight.whole_change, 'retyped') as change,
    case
        when coalesce(with_last_sight.whole_change, 'retyped') != 'new' then last_sight.data_types
    end as types_before,
    today.data_types as types_after,
    coalesce(today.record_count, days.day_record_count) as record_count,
    days.day_record_count,
    seen.first_seen_date,
    seen.last_seen_date,
    coalesce(today.example_file_id, last_sight.example_file_id) as example_file_id,
    load_files.path as example_path
from with_last_sight
inner join days
    on
        with_last_sight.source_name = days.source_name
        and with_last_sight.event_date = days.event_date
inner join seen
    on
        with_last_sight.source_name = seen.source_name
        and with_last_sight.field_name = seen.field_name
left join fields_whole as today
    on
        with_last_sight.source_name = today.source_name
        and with_last_sight.field_name = today.field_name
        and with_last_sight.event_date = today.event_date
left join fields_whole as last_sight
    on
        with_last_sight.source_name = last_sight.source_name
        and with_last_sight.field_name = last_sight.field_name
        and with_last_sight.last_sight_date = last_sight.event_date
left join load_files
    on coalesce(today.example_file_id, last_sight.example_file_id) = load_files.file_id
