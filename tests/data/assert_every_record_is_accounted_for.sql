-- For every file: read = accepted + rejected + duplicate + superseded.
{{ config(meta={'dagster': {'ref': {'name': 'load_files'}}}) }}
select
    load_id,
    path,
    records_read,
    records_accepted,
    records_rejected,
    records_duplicate,
    records_superseded
from {{ ref('load_files') }}
where
    records_read
    != records_accepted + records_rejected + records_duplicate + records_superseded
