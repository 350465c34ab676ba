-- What our models read, as it stands when they are built, with the SQL that dbt compiled.
create schema intermediate;
create schema marts;
create schema seeds;

create view intermediate.int_events_named as
select
    events.*,
    cast(events.occurred_at as date) as event_date,
    'events' as file_id,
    events.rowid as row_number,
    $columns_that_no_question_needs
from main.events;

create table intermediate.int_files_loaded as
select
    'events' as file_id,
    1 as file_number;

create view intermediate.int_events_sessionized as
$int_events_sessionized;

create table intermediate.int_events_accepted as
select
    event_id,
    source_name,
    event_name,
    occurred_at,
    event_date,
    page_path,
    session_id,
    cast(null as timestamp) as received_at,
    occurred_at as loaded_at
from intermediate.int_events_sessionized
where verdict = 'accepted';

create table intermediate.int_sessions_identified as
select
    event_id as session_id,
    person_id,
    cast(null as varchar) as channel,
    cast(null as varchar) as device_category,
    false as is_bot
from main.events
where event_id in (select session_id from intermediate.int_events_accepted);

create view intermediate.int_source_horizons as
$int_source_horizons;

create table seeds.funnels as
select
    'shop' as funnel,
    step,
    step_name,
    '*' as source_name,
    step_name as event_name,
    '*' as page_path_pattern,
    336 as window_hours,
    'person' as scope
from (
    values (1, 'view_item'), (2, 'add_to_cart'), (3, 'begin_checkout'), (4, 'purchase')
) as steps (step, step_name);
