select
    file_id,
    source_name,
    event_date,
    count(*) as event_count
from {{ ref('int_events_accepted') }}
where {{ is_restated_event('day') }}
group by file_id, source_name, event_date
