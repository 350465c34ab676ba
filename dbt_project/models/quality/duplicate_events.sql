select
    event_id,
    source_name,
    file_id,
    row_number,
    accepted_file_id,
    accepted_row_number,
    loaded_at
from {{ ref('int_events_repeated') }}
where is_same_content
