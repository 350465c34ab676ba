select
    source_name,
    event_date,
    event_name,
    source_event_name,
    count(*) as event_count,
    min(event_id) as first_event_id
from {{ ref('int_events_accepted') }}
where {{ is_restated_event('day') }}
group by source_name, event_date, event_name, source_event_name
