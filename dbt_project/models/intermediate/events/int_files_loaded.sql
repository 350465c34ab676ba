-- the files whose records are loaded, and what tells one state of a file from another
select
    file_id,
    cast(row_number() over (order by file_id) as integer) as file_number,
    concat_ws(' ', max(loaded_at), count(*)) as version,
    count(*) as records
from {{ ref('int_events_unioned') }}
group by file_id
