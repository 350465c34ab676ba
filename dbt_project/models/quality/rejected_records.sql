-- what could not be read (found by the loader) and what could not be true (found by the models)
with

unreadable as (

    select * from {{ ref('stg_loader__rejected_records') }}

),

judged as (

    select * from {{ ref('int_events_sessionized') }}
    where verdict = 'rejected'

),

judged_profiles as (

    select * from {{ ref('int_profiles_judged') }}
    where verdict = 'rejected'

),

conflicts as (

    select * from {{ ref('int_events_repeated') }}
    where not is_same_content

),

conflicting_records as (

    select * from {{ ref('int_events_sessionized') }}
    where verdict = 'repeated'

)

select
    file_id,
    source_name,
    row_number,
    reason,
    detail,
    record_text,
    record_base64,
    rejected_at
from unreadable

union all

select
    file_id,
    source_name,
    row_number,
    rejection_reason as reason,
    cast(null as varchar) as detail,
    cast({{ json_of_row('judged') }} as varchar) as record_text,
    cast(null as varchar) as record_base64,
    loaded_at as rejected_at
from judged

union all

select
    file_id,
    source_name,
    row_number,
    rejection_reason as reason,
    cast(null as varchar) as detail,
    cast({{ json_of_row('judged_profiles') }} as varchar) as record_text,
    cast(null as varchar) as record_base64,
    loaded_at as rejected_at
from judged_profiles

union all

select
    conflicts.file_id,
    conflicts.source_name,
    conflicts.row_number,
    'event_id_conflict' as reason,
    'the accepted record is row '
    || conflicts.accepted_row_number
    || ' of file '
    || conflicts.accepted_file_id as detail,
    cast({{ json_of_row('conflicting_records') }} as varchar) as record_text,
    cast(null as varchar) as record_base64,
    conflicts.loaded_at as rejected_at
from conflicts
inner join conflicting_records
    on
        conflicts.file_id = conflicting_records.file_id
        and conflicts.row_number = conflicting_records.row_number
