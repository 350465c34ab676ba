{{ config(post_hook="{{ build_other_shares(ref('int_files_loaded')) }}") }}
{%- set share = share_of_step(ref('int_files_loaded')) %}
-- the touches of a conversion: the person's own human sessions that began at or before it, within
-- the look-back; a large build takes a share of the conversions at a time
-- (macros/steps_of_build.sql)
{%- set touches -%}
            conversions.person_id = sessions.person_id
            and conversions.converted_at >= sessions.started_at
            and {{ micros_between('sessions.started_at', 'conversions.converted_at') }}
            <= cast({{ var('attribution_lookback_days') }} as bigint) * 86400000000
{%- endset %}
{%- set is_changed
    = is_restated('session', 'session_id') ~ ' or ' ~ is_restated('ownership', 'session_id') %}
with

sessions as (

    select * from {{ ref('int_sessions_identified') }}
    where not is_bot

),

{% if is_increment() -%}
changed_sessions as (

    select
        person_id,
        started_at
    from sessions
    where {{ is_changed }}

),

-- what a changed session touches, and what it has touched
touched_conversions as (

    select conversions.conversion_id
    from {{ ref('int_conversions_identified') }} as conversions
    inner join changed_sessions as sessions
        on
            {{ touches }}

    union

    select conversion_id from {{ this }}
    where {{ is_changed }}

),
{%- endif %}

conversions as (

    select * from {{ ref('int_conversions_identified') }}
    where
        not is_bot
        and {{ in_share('conversion_id', share) }}
    {%- if is_increment() %}
        and (
            {{ is_restated('conversion', 'conversion_id') }}
            or conversion_id in (select touched_conversions.conversion_id from touched_conversions)
        )
        {%- endif %}

),

touches as (

    select
        conversions.conversion_id,
        sessions.session_id,
        sessions.channel,
        sessions.traffic_source,
        sessions.traffic_medium,
        sessions.traffic_campaign,
        sessions.started_at as touched_at,
        {{ micros_between('sessions.started_at', 'conversions.converted_at') }} as age_micros,
        sessions.page_view_count = 0
        and sessions.evidence = 'direct'
        and sessions.device_id = {{ device_of_user('sessions.user_id') }} as is_report
    from conversions
    inner join sessions
        on
            {{ touches }}

),

found as (

    select
        conversions.conversion_id,
        conversions.conversion_name,
        conversions.person_id,
        conversions.source_name,
        conversions.converted_at,
        conversions.conversion_date,
        conversions.value_reporting,
        touches.session_id,
        -- a conversion without a touch is credited whole, to nobody: credited = converted
        coalesce(touches.channel, 'Unattributed') as channel,
        touches.traffic_source,
        touches.traffic_medium,
        touches.traffic_campaign,
        touches.touched_at,
        coalesce(touches.age_micros, 0) as age_micros,
        coalesce(touches.is_report, false) as is_report
    from conversions
    left join touches on conversions.conversion_id = touches.conversion_id

),

counted as (

    select
        *,
        row_number() over (
            partition by conversion_id order by is_report, touched_at, session_id
        ) as touch_position,
        count(*) over (partition by conversion_id) as found_count,
        sum(case when is_report then 0 else 1 end) over (partition by conversion_id)
            as visit_count
    from found

)

-- what a server reports of a user is no visit, where the person has any other
select
    conversion_id,
    conversion_name,
    person_id,
    source_name,
    converted_at,
    conversion_date,
    value_reporting,
    session_id,
    channel,
    traffic_source,
    traffic_medium,
    traffic_campaign,
    touched_at,
    age_micros,
    touch_position,
    cast(case when visit_count > 0 then visit_count else found_count end as bigint) as touch_count
from counted
where not is_report or visit_count = 0
