-- how far the data of a source reaches: what "complete" and "days since" are measured against,
-- so that a table depends on the data alone and never on the clock
select
    source_name,
    min(occurred_at) as data_from_at,
    -- a clock that is fast does not make the data reach further than it was received
    max(least(occurred_at, coalesce(received_at, loaded_at), loaded_at)) as data_through_at
from {{ ref('int_events_accepted') }}
group by source_name
