-- Every rejected record is counted once, under a file of the ledger and a reason with a meaning.
{{ config(meta={'dagster': {'ref': {'name': 'rejection_counts'}}}) }}
with

rejected as (

    select
        file_id,
        reason,
        count(*) as record_count
    from {{ ref('rejected_records') }}
    group by file_id, reason

)

select
    rejected.file_id,
    rejected.reason,
    rejected.record_count,
    rejection_counts.record_count as counted
from rejected
left join {{ ref('rejection_counts') }} as rejection_counts
    on rejected.file_id = rejection_counts.file_id and rejected.reason = rejection_counts.reason
where
    rejection_counts.record_count is null
    or rejected.record_count != rejection_counts.record_count
    or rejection_counts.path is null
    or rejection_counts.meaning is null
