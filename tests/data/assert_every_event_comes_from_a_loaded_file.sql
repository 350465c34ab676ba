-- No event without a live file in the ledger, and no more events than the files hold.
{{ config(meta={'dagster': {'ref': {'name': 'events'}}}) }}
select
    events.file_id,
    count(*) as event_count
from {{ ref('events') }} as events
left join {{ ref('load_files') }} as load_files
    on events.file_id = load_files.file_id and load_files.status = 'loaded'
group by events.file_id
having max(load_files.file_id) is null
