select *
from {{ ref('int_events_sessionized') }}
where verdict = 'accepted'
