{{ config(post_hook="{{ build_other_shares(ref('int_files_loaded'), times_as_many=3) }}") }}
{%- set share = share_of_step(ref('int_files_loaded'), times_as_many=3) %}
-- depends_on: {{ ref('int_events_converted') }}
-- not for its rows: it restates sessions, and while a table is written none may be added
-- A view is joined to what happened after it: a large build takes a share of the sessions at a time
-- (macros/steps_of_build.sql).
{%- set is_view = "event_name in ('page_view', 'screen_view')" -%}
{%- set in_sessions -%}
        session_page_view_number > 0
        and {{ is_restated_event('session', var('session_max_hours')) }}
        and {{ in_share('session_id', share) }}
{%- endset %}
with

-- read apart from what is measured: what two parts of a query read, the engine stores, all columns
views as (

    select * from {{ ref('int_events_accepted') }}
    where
        {{ is_view }}
        and {{ in_sessions }}

),

-- what happens after a view and before the next one belongs to it
measured as (

    select
        session_id,
        session_page_view_number,
        cast(sum(engaged_seconds) as decimal(18, 3)) as engaged_seconds,
        max(scroll_percent) as scroll_percent
    from {{ ref('int_events_accepted') }}
    where
        (engaged_seconds is not null or scroll_percent is not null)
        and {{ in_sessions }}
    group by session_id, session_page_view_number

),

last_views as (

    select
        session_id,
        max(session_page_view_number) as session_page_view_number
    from {{ ref('int_events_accepted') }}
    where
        {{ is_view }}
        and {{ in_sessions }}
    group by session_id

)

select
    views.event_id,
    views.source_name,
    views.session_id,
    views.device_id,
    views.occurred_at,
    views.event_date,
    views.page_view_id,
    views.page_url,
    views.page_host,
    views.page_path,
    views.page_title,
    views.referrer_url,
    views.referrer_host,
    views.is_bot,
    views.session_page_view_number as view_number,
    views.session_page_view_number = 1 as is_entrance,
    views.session_page_view_number = last_views.session_page_view_number as is_exit,
    measured.engaged_seconds,
    measured.scroll_percent
from views
inner join last_views on views.session_id = last_views.session_id
left join measured
    on
        views.session_id = measured.session_id
        and views.session_page_view_number = measured.session_page_view_number
