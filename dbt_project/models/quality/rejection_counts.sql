with

rejected_records as (

    select * from {{ ref('rejected_records') }}

),

load_files as (

    select * from {{ ref('load_files') }}
    where status = 'loaded'

),

reasons as (

    select * from {{ ref('rejection_reasons') }}

),

counts as (

    select
        source_name,
        file_id,
        reason,
        count(*) as record_count,
        min(row_number) as first_row_number
    from rejected_records
    group by source_name, file_id, reason

)

select
    counts.source_name,
    counts.file_id,
    load_files.path,
    counts.reason,
    reasons.found_by,
    reasons.meaning,
    counts.record_count,
    counts.record_count / load_files.records_read as record_share,
    counts.first_row_number
from counts
left join load_files on counts.file_id = load_files.file_id
left join reasons on counts.reason = reasons.reason
