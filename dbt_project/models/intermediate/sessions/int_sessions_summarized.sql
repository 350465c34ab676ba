with

session_events as (

    select * from {{ ref('int_events_accepted') }}
    where session_id is not null and {{ is_restated_event('session', var('session_max_hours')) }}

),

converted_events as (

    select
        session_id,
        event_id,
        count(*) as conversion_count,
        -- an order is worth what it is worth, under however many names it is a conversion
        max(case when is_revenue then value_reporting end) as revenue
    from {{ ref('int_events_converted') }}
    where session_id is not null and {{ is_restated('session', 'session_id') }}
    group by session_id, event_id

),

converted as (

    select
        session_id,
        cast(sum(conversion_count) as bigint) as conversion_count,
        cast(sum(revenue) as decimal(28, 4)) as revenue
    from converted_events
    group by session_id

),

page_views as (

    select
        session_id,
        count(*) as page_view_count,
        max(case when is_entrance then page_path end) as landing_page_path,
        max(case when is_entrance then page_host end) as landing_page_host,
        max(case when is_exit then page_path end) as exit_page_path
    from {{ ref('int_page_views_measured') }}
    where {{ is_restated('session', 'session_id') }}
    group by session_id

),

summarized as (

    select
        session_id,
        min(source_name) as source_name,
        min(source_kind) as source_kind,
        min(device_id) as device_id,
        -- one at most: a change from one known user to another begins a session
        max(user_id) as user_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        min(event_date) as session_date,
        count(*) as event_count,
        cast(sum(engaged_seconds) as decimal(18, 3)) as engaged_seconds,
        max(case when is_bot then 1 else 0 end) = 1 as is_bot,
        max(case when is_engaged_by_tracker then 1 else 0 end) = 1 as is_engaged_by_tracker,
        max(bot_rules) as bot_rules,
        max(bot_category) as bot_category,
        max(split_reason) as split_reason,
        {{ first_known('device_category') }},
        {{ first_known('browser') }},
        {{ first_known('operating_system') }},
        {{ first_known('language') }},
        {{ first_known('country') }}
    from session_events
    group by session_id

)

select
    summarized.*,
    {{ seconds_between('summarized.started_at', 'summarized.ended_at') }} as duration_seconds,
    coalesce(page_views.page_view_count, 0) as page_view_count,
    page_views.landing_page_path,
    page_views.landing_page_host,
    page_views.exit_page_path,
    coalesce(converted.conversion_count, 0) as conversion_count,
    converted.revenue,
    coalesce(summarized.engaged_seconds >= {{ var('engaged_session_seconds') }}, false)
    or coalesce(page_views.page_view_count >= {{ var('engaged_session_page_views') }}, false)
    or converted.session_id is not null
    -- an export may leave out the attention, or some of the views, that the tracker went by
    or summarized.is_engaged_by_tracker as is_engaged
from summarized
left join page_views on summarized.session_id = page_views.session_id
left join converted on summarized.session_id = converted.session_id
