-- what a file holds is taken to be spread evenly over the events of the days that it speaks for
with

file_fields as (

    select * from {{ ref('stg_loader__file_fields') }}

),

files_dated as (

    select * from {{ ref('int_files_dated') }}

),

days as (

    select
        source_name,
        event_date,
        cast(sum(event_count) as bigint) as day_record_count
    from files_dated
    -- a file that was loaded before there was an inventory tells nothing of its fields
    where file_id in (select file_fields.file_id from file_fields)
    group by source_name, event_date

),

counted as (

    select
        files_dated.source_name,
        files_dated.event_date,
        file_fields.field_name,
        file_fields.data_type,
        min(files_dated.file_id) as example_file_id,
        -- rounded file by file: a sum of fractions would differ from run to run
        cast(sum(greatest(1, round(
            files_dated.event_count * file_fields.record_count / file_fields.file_record_count
        ))) as bigint) as record_count
    from file_fields
    inner join files_dated on file_fields.file_id = files_dated.file_id
    group by
        files_dated.source_name, files_dated.event_date, file_fields.field_name,
        file_fields.data_type

)

select
    counted.source_name,
    counted.event_date,
    counted.field_name,
    counted.data_type,
    counted.record_count,
    days.day_record_count,
    counted.example_file_id
from counted
inner join days
    on counted.source_name = days.source_name and counted.event_date = days.event_date
