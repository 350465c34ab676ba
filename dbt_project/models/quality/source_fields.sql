with

file_fields as (

    select * from {{ ref('stg_loader__file_fields') }}

),

files as (

    select
        file_id,
        min(event_date) as first_date,
        max(event_date) as last_date
    from {{ ref('int_files_dated') }}
    group by file_id

),

source_records as (

    select
        source_name,
        cast(sum(file_record_count) as bigint) as record_count
    from (
        select distinct
            file_id,
            source_name,
            file_record_count
        from file_fields
    ) as files_read
    group by source_name

)

select
    file_fields.source_name,
    file_fields.field_name,
    file_fields.data_type,
    cast(sum(file_fields.record_count) as bigint) as record_count,
    max(source_records.record_count) as source_record_count,
    cast(sum(file_fields.record_count) as double) / max(source_records.record_count)
        as record_share,
    count(*) as file_count,
    min(files.first_date) as first_seen_date,
    max(files.last_date) as last_seen_date
from file_fields
inner join source_records on file_fields.source_name = source_records.source_name
left join files on file_fields.file_id = files.file_id
group by file_fields.source_name, file_fields.field_name, file_fields.data_type
