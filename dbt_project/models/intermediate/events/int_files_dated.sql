-- a file speaks for the days that hold most of its events: a few late ones from the day before
-- must not make a new field a day older than it is
with

with_busiest_day as (

    select
        *,
        max(event_count) over (partition by file_id) as busiest_day_event_count
    from {{ ref('int_files_counted') }}

)

select
    file_id,
    source_name,
    event_date,
    event_count
from with_busiest_day
where event_count >= {{ var('drift_file_day_share') }} * busiest_day_event_count
