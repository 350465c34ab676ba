{#-
    What an increment of int_events_sessionized looks at, as common table expressions:
    `arrived`, the records of files that are new or have changed; `competing`, the stored records of
    the same events; `neighbours`, the stored events of the stretches of time that either touches, or
    that records now withdrawn have touched; `undisturbed`, since when a timeline has events that
    stay as they are.
    `stored` is the table, `named` its records as they are before they are judged, `columns` those
    that judging needs.
-#}
{% macro touched_records(stored, named, files, columns) %}
{%- set timeout_micros = 'cast(' ~ var('session_timeout_minutes') ~ ' as bigint) * 60000000' -%}
{%- set same_timeline %}
            touched.source_name = stored.source_name
            and touched.device_id = stored.device_id
            and touched.session_thread is not distinct from stored.session_thread
{%- endset %}
arrived as (

    select * from {{ named }}
    where {{ in_files('file_id', files) }}

),

withdrawn as (

    select
        event_id,
        source_name,
        device_id,
        session_thread,
        session_id,
        occurred_at,
        verdict
    from {{ stored }}
    where {{ in_files('file_id', files) }}

),

touched_ids as (

    select event_id from arrived
    where rejection_reason is null

    union

    select event_id from withdrawn
    where verdict != 'rejected'

),

-- an event id stands for one event: all records that carry it are judged together. Looked for in few
-- columns: the engine's filter lets a hundredth of all others through, which takes reading them whole
competing_records as {{ computed_once() }} (

    select
        event_id,
        event_date,
        file_id
    from {{ stored }}
    where
        event_id in (select touched_ids.event_id from touched_ids)
        and verdict != 'rejected'
        and not {{ in_files('file_id', files) }}

),

competing as (

    select
        {{ (columns + judged_columns()) | join(',\n        ') }},
        is_partial,
        revised_at,
        received_at,
        {{ stable_id(all_an_event_says()) }} as content_id
    from {{ stored }}
    where
        event_id in (select competing_records.event_id from competing_records)
        and event_date >= (select min(competing_records.event_date) from competing_records)
        and event_date <= (select max(competing_records.event_date) from competing_records)
        and file_id in (select distinct competing_records.file_id from competing_records)
        and verdict != 'rejected'
        and not {{ in_files('file_id', files) }}

),

touched_moments as (

    select source_name, device_id, session_thread, occurred_at from arrived
    where rejection_reason is null and device_id is not null

    union

    select source_name, device_id, session_thread, occurred_at from withdrawn
    where session_id is not null

    union

    select source_name, device_id, session_thread, occurred_at from competing
    where device_id is not null

),

touched_with_previous as (

    select
        *,
        lag(occurred_at) over (
            partition by source_name, device_id, session_thread order by occurred_at
        ) as previous_occurred_at
    from touched_moments

),

touched_with_stretch as (

    select
        *,
        sum(
            case
                when
                    {{ micros_between('previous_occurred_at', 'occurred_at') }}
                    <= {{ timeout_micros }} then 0
                else 1
            end
        ) over (
            partition by source_name, device_id, session_thread order by occurred_at
        ) as stretch
    from touched_with_previous

),

-- moments with no pause between them
touched_stretches as (

    select
        source_name,
        device_id,
        session_thread,
        stretch,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at
    from touched_with_stretch
    group by source_name, device_id, session_thread, stretch

),

stored_sessions as (

    select
        source_name,
        device_id,
        session_thread,
        session_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        min(event_date) as first_date,
        max(event_date) as last_date
    from {{ stored }}
    where
        session_id is not null
        and device_id in (select touched_stretches.device_id from touched_stretches)
    group by source_name, device_id, session_thread, session_id

),

stored_with_previous as (

    select
        *,
        max(ended_at) over (
            partition by source_name, device_id, session_thread
            order by started_at, session_id
            rows between unbounded preceding and 1 preceding
        ) as previous_ended_at
    from stored_sessions

),

stored_with_block as (

    select
        *,
        sum(
            case
                -- sessions that a tracker told apart are taken whole
                when session_thread is not null then 0
                when
                    {{ micros_between('previous_ended_at', 'started_at') }}
                    <= {{ timeout_micros }} then 0
                else 1
            end
        ) over (
            partition by source_name, device_id, session_thread
            order by started_at, session_id
        ) as block
    from stored_with_previous

),

-- sessions with no pause between them depend on each other, and on nothing else
stored_blocks as (

    select
        source_name,
        device_id,
        session_thread,
        block,
        min(started_at) as started_at,
        max(ended_at) as ended_at
    from stored_with_block
    group by source_name, device_id, session_thread, block

),

-- … but that the first of all is called so: with a block, the one after it is looked at
touched_blocks as (

    select
        stored.source_name,
        stored.device_id,
        stored.session_thread,
        stored.block + following.blocks as block
    from touched_stretches as touched
    inner join stored_blocks as stored on {{ same_timeline }}
    cross join (select unnest([0, 1]) as blocks) as following
    where
        stored.session_thread is not null
        or (
            {{ micros_between('stored.ended_at', 'touched.started_at') }} <= {{ timeout_micros }}
            and {{ micros_between('touched.ended_at', 'stored.started_at') }} <= {{ timeout_micros }}
        )

    union

    select
        stored.source_name,
        stored.device_id,
        stored.session_thread,
        stored.block
    from touched_stretches as touched
    inner join stored_blocks as stored on {{ same_timeline }}
    where stored.block = 1 and touched.started_at < stored.started_at

),

touched_sessions as (

    select
        stored.session_id,
        stored.first_date,
        stored.last_date
    from stored_with_block as stored
    inner join touched_blocks as touched
        on stored.block = touched.block and {{ same_timeline }}

),

-- what stays before the part of a timeline that is looked at
undisturbed as (

    select
        stored.source_name,
        stored.device_id,
        stored.session_thread,
        min(stored.started_at) as undisturbed_from
    from stored_blocks as stored
    left join touched_blocks as touched
        on stored.block = touched.block and {{ same_timeline }}
    where touched.block is null
    group by stored.source_name, stored.device_id, stored.session_thread

),

neighbours as (

    select
        {{ (columns + judged_columns()) | join(',\n        ') }}
    from {{ stored }}
    where
        session_id in (select touched_sessions.session_id from touched_sessions)
        -- events are stored as they came: with the days the engine passes over most of them
        and event_date >= (select min(touched_sessions.first_date) from touched_sessions)
        and event_date <= (select max(touched_sessions.last_date) from touched_sessions)
        and event_id not in (select touched_ids.event_id from touched_ids)
        and not {{ in_files('file_id', files) }}

),
{% endmacro %}


{#- What int_events_sessionized finds out about a record: all that an increment may change in it. #}
{% macro judged_columns() %}
    {{ return([
        'verdict', 'session_id', 'session_event_number', 'session_page_view_number', 'split_reason',
    ]) }}
{% endmacro %}


{#- Puts right the stored rows that came out otherwise, and replaces those of files that changed. #}
{% macro get_incremental_rejudge_sql(arguments) %}
    {%- set target = arguments.target_relation -%}
    {%- set new = arguments.temp_relation -%}
    {%- set columns = arguments.dest_columns | map(attribute='quoted') | join(', ') -%}
    {%- set files = changed_files(ref('int_files_loaded')) -%}
    {%- set columns_of_units = {
        'event': 'event_id', 'session': 'session_id', 'device': 'device_id',
        'day': 'cast(event_date as ' ~ dbt.type_string() ~ ')',
    } %}
    {%- set is_stored_of_new -%}
        (file_id, row_number) in (select new.file_id, new.row_number from {{ new }} as new)
        and file_id in (select distinct new.file_id from {{ new }} as new)
    {%- endset %}
    {#- the table is read once for all units, narrow, and of few files #}
    create or replace temp table rows_restated as
    {%- for rows in [
        target ~ ' where ' ~ in_files('file_id', files),
        target ~ ' where ' ~ is_stored_of_new,
        new,
    ] %}
    select
        {%- for unit, column in columns_of_units.items() %}
        {{ column }} as {{ unit }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ rows }}
    {{ 'union all' if not loop.last else ';' }}
    {%- endfor %}
    {%- for unit in columns_of_units %}
    insert into raw.restated
    select distinct '{{ unit }}', {{ unit }} from rows_restated where {{ unit }} is not null;
    {%- endfor %}
    drop table rows_restated;
    {#- an event that is restated may be told by a record that stays as it is -#}
    {%- set of_restated_event = in_restated('event', 'event_id') %}
    insert into raw.restated
    select 'event_day', id from (
        select cast(event_date as {{ dbt.type_string() }}) as id from {{ target }}
        where {{ of_restated_event }}
        union
        select cast(event_date as {{ dbt.type_string() }}) from {{ new }}
    ) as days
    where id is not null;
    update {{ target }} as stored
    set
        {%- for column in judged_columns() %}
        {{ column }} = new.{{ column }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from {{ new }} as new
    where
        stored.file_id = new.file_id
        and stored.row_number = new.row_number
        and not {{ in_files('new.file_id', files) }};
    delete from {{ target }} where {{ in_files('file_id', files) }};
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ new }} where {{ in_files('file_id', files) }};
{% endmacro %}
