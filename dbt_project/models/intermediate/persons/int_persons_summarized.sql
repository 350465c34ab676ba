with

sessions as (

    select * from {{ ref('int_sessions_identified') }}
    where {{ is_restated('person', 'person_id') }}

),

orders as (

    select
        sessions.person_id,
        count(distinct converted.event_id) as order_count
    from {{ ref('int_events_converted') }} as converted
    inner join sessions on converted.session_id = sessions.session_id
    where converted.is_revenue
    group by sessions.person_id

),

numbered as (

    select
        *,
        row_number() over (
            partition by person_id order by session_number desc
        ) as reversed_session_number
    from sessions

),

summarized as (

    select
        person_id,
        min(person_user_id) as user_id,
        min(user_namespace) as user_namespace,
        min(started_at) as first_seen_at,
        max(ended_at) as last_seen_at,
        string_agg(distinct source_name, ',' order by source_name) as source_names,
        count(
            distinct
            case
                when device_id = {{ device_of_user('user_id') }} then null
                else source_name || chr(31) || device_id
            end
        ) as device_count,
        count(*) as session_count,
        cast(sum(page_view_count) as bigint) as page_view_count,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(duration_seconds) as decimal(18, 3)) as total_session_seconds,
        cast(sum(engaged_seconds) as decimal(18, 3)) as engaged_seconds,
        cast(sum(conversion_count) as bigint) as conversion_count,
        cast(sum(revenue) as decimal(28, 4)) as revenue,
        min(case when is_bot then 1 else 0 end) = 1 as is_bot,
        max(case when session_number = 1 then channel end) as first_channel,
        max(case when session_number = 1 then traffic_source end) as first_source,
        max(case when session_number = 1 then traffic_medium end) as first_medium,
        max(case when session_number = 1 then traffic_campaign end) as first_campaign,
        max(case when session_number = 1 then landing_page_path end) as first_landing_page_path,
        max(case when reversed_session_number = 1 then channel end) as last_channel,
        max(case when reversed_session_number = 1 then traffic_source end) as last_source,
        max(case when reversed_session_number = 1 then traffic_medium end) as last_medium,
        max(case when reversed_session_number = 1 then traffic_campaign end) as last_campaign,
        max(case when reversed_session_number = 1 then landing_page_path end)
            as last_landing_page_path
    from numbered
    group by person_id

)

select
    summarized.*,
    coalesce(orders.order_count, 0) as order_count
from summarized
left join orders on summarized.person_id = orders.person_id
