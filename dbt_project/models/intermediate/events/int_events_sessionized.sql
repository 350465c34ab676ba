{%- set timeline -%}
    partition by verdict, source_name, device_id, session_thread
    order by occurred_at, event_order nulls last, event_id
{%- endset -%}
{%- set split_on = var('session_split_on') -%}

with

records as (

    select * from {{ ref('int_events_unioned') }}

),

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

event_names as (

    select * from {{ ref('event_names') }}

),

ignored_user_ids as (

    select * from {{ ref('ignored_user_ids') }}

),

user_agents as (

    select * from {{ ref('int_user_agents_classified') }}

),

page_urls as (

    select * from {{ ref('int_page_urls_parsed') }}

),

named as (

    select
        records.event_id,
        records.source_name,
        records.source_kind,
        records.source_event_name,
        records.occurred_at,
        records.occurred_at_text,
        records.received_at,
        records.loaded_at,
        records.event_order,
        case when ignored_user_ids.quoted_user_id is null then records.user_id end as user_id,
        coalesce(
            records.device_id,
            case when ignored_user_ids.quoted_user_id is null then 'user:' || records.user_id end
        ) as device_id,
        case
            when sources.session_ids_from = 'tracker' then records.tracker_session_id
        end as session_thread,
        records.platform,
        records.page_url,
        records.page_title,
        records.page_view_id,
        records.referrer_url,
        coalesce(records.utm_source, page_urls.utm_source) as utm_source,
        coalesce(records.utm_medium, page_urls.utm_medium) as utm_medium,
        coalesce(records.utm_campaign, page_urls.utm_campaign) as utm_campaign,
        coalesce(records.utm_term, page_urls.utm_term) as utm_term,
        coalesce(records.utm_content, page_urls.utm_content) as utm_content,
        coalesce(records.click_id, page_urls.click_id) as click_id,
        coalesce(records.click_id_type, page_urls.click_id_type) as click_id_type,
        records.user_agent,
        coalesce(records.device_category, user_agents.device_category) as device_category,
        coalesce(records.browser, user_agents.browser) as browser,
        coalesce(records.operating_system, user_agents.operating_system) as operating_system,
        records.language,
        records.country,
        records.region,
        records.city,
        coalesce(user_agents.is_bot, false) as is_bot,
        user_agents.bot_rules,
        user_agents.bot_category,
        records.consent_analytics,
        records.consent_ads,
        records.order_id,
        -- what no order, no page and no person can be is not measured at all: one broken client
        -- must not decide a sum, or break it
        case when abs(records.revenue) < 1000000000000 then records.revenue end as revenue,
        records.currency,
        records.item_id,
        case
            when records.engaged_seconds between 0 and 86400 then records.engaged_seconds
        end as engaged_seconds,
        case
            when records.scroll_percent between 0 and 100 then records.scroll_percent
        end as scroll_percent,
        records.properties,
        records.is_partial,
        records.file_id,
        records.row_number,
        coalesce(
            source_event_names.event_name, kind_event_names.event_name, records.source_event_name
        ) as event_name,
        case
            when records.rejection_reason is not null then records.rejection_reason
            when records.source_event_name is null then 'missing_event_name'
            when length(records.source_event_name) > {{ var('event_name_max_length') }}
                then 'event_name_too_long'
            -- a number, an object or a list where a name should be
            when
                {{ matches('records.source_event_name', "'^(\\{|\\[|-?[0-9.]+$)'") }}
                and {{ is_json('records.source_event_name') }}
                then 'invalid_event_name'
            when records.occurred_at_text is null then 'missing_timestamp'
            when records.occurred_at is null then 'invalid_timestamp'
            when records.occurred_at < coalesce(sources.earliest_date, date '2000-01-01')
                then 'implausible_timestamp'
            when
                {{ micros_between('records.loaded_at', 'records.occurred_at') }}
                > {{ var('future_tolerance_hours') }} * 3600000000
                then 'implausible_timestamp'
        end as rejection_reason
    from records
    left join sources on records.source_name = sources.source_name
    left join ignored_user_ids
        on '"' || lower(records.user_id) || '"' = ignored_user_ids.quoted_user_id
    left join event_names as source_event_names
        on
            records.source_kind = source_event_names.source_kind
            and records.source_name = source_event_names.source_name
            and records.source_event_name = source_event_names.source_event_name
    left join event_names as kind_event_names
        on
            records.source_kind = kind_event_names.source_kind
            and kind_event_names.source_name = '*'
            and records.source_event_name = kind_event_names.source_event_name
    left join user_agents on records.user_agent = user_agents.user_agent
    left join page_urls on records.page_url = page_urls.page_url

),

judged as (

    select
        *,
        case
            when rejection_reason is not null then 'rejected'
            -- what says more wins, then first received; then what no order of loading decides
            when
                row_number()
                    over (
                        partition by event_id, rejection_reason
                        order by is_partial, received_at nulls last, file_id, row_number
                    )
                > 1 then 'repeated'
            else 'accepted'
        end as verdict
    from named

),

with_previous_event as (

    select
        *,
        lag(occurred_at) over ({{ timeline }}) as previous_occurred_at,
        {{ local_date('occurred_at', var('reporting_timezone')) }} as event_date
    from judged

),

-- a pause, or another day where that is asked for, ends a session whatever else happens
with_pause as (

    select
        *,
        case
            when verdict != 'accepted' or device_id is null then null
            when previous_occurred_at is null and session_thread is not null then 'tracker'
            when previous_occurred_at is null then 'first_event'
            when
                session_thread is null
                and {{ micros_between('previous_occurred_at', 'occurred_at') }}
                > cast({{ var('session_timeout_minutes') }} as bigint) * 60000000 then 'inactivity'
            {%- if 'midnight' in split_on %}
            when
                event_date
                != {{ local_date('previous_occurred_at', var('reporting_timezone')) }}
                then 'midnight'
            {%- endif %}
        end as pause_reason
    from with_previous_event

),

with_previous_user as (

    select
        *,
        last_value(case when pause_reason is not null then occurred_at end ignore nulls) over (
            {{ timeline }} rows between unbounded preceding and current row
        ) as resumed_at,
        {%- if 'campaign_change' in split_on %}
        {{ stable_campaign() }} as campaign,
        {{ last_known('campaign', stable_campaign(), timeline) }},
        {%- endif %}
        {{ last_known('user_id', 'user_id', timeline) }}
    from with_pause

),

with_split_reason as (

    select
        *,
        case
            when pause_reason is not null then pause_reason
            -- who was there before the pause is no longer: a login in a new session splits nothing
            when user_id != previous_user_id and previous_user_id_at >= resumed_at
                then 'user_change'
            {%- if 'campaign_change' in split_on %}
            when campaign != previous_campaign and previous_campaign_at >= resumed_at
                then 'campaign_change'
            {%- endif %}
        end as stretch_reason
    from with_previous_user

),

with_stretch as (

    select
        *,
        last_value(case when stretch_reason is not null then event_id end ignore nulls) over (
            {{ timeline }} rows between unbounded preceding and current row
        ) as stretch_id,
        last_value(case when stretch_reason is not null then occurred_at end ignore nulls) over (
            {{ timeline }} rows between unbounded preceding and current row
        ) as stretch_started_at
    from with_split_reason

),

with_piece as (

    select
        *,
        -- a stretch that is too long is cut at fixed distances from its start; the event at the
        -- very distance still belongs before the cut
        greatest(cast(ceil(
            {{ micros_between('stretch_started_at', 'occurred_at') }}
            / ({{ var('session_max_hours') }} * 3600000000)
        ) as bigint) - 1, 0) as piece_number
    from with_stretch

),

with_session as (

    select
        *,
        -- a session is named by its first event: never by a rank, which a late event would shift
        case
            when stretch_id is not null
                then first_value(event_id) over (
                        partition by verdict, source_name, device_id, stretch_id, piece_number
                        order by occurred_at, event_order nulls last, event_id
                    )
        end as session_id,
        case
            when stretch_id is not null
                then row_number() over (
                        partition by verdict, source_name, device_id, stretch_id, piece_number
                        order by occurred_at, event_order nulls last, event_id
                    )
        end as session_event_number
    from with_piece

)

select
    event_id,
    verdict,
    rejection_reason,
    case when verdict = 'rejected' then occurred_at_text end as rejected_occurred_at_text,
    source_name,
    source_kind,
    event_name,
    source_event_name,
    occurred_at,
    received_at,
    loaded_at,
    event_date,
    event_order,
    device_id,
    user_id,
    session_id,
    session_event_number,
    case
        when session_event_number = 1
            then case when piece_number > 0 then 'max_length' else stretch_reason end
    end as split_reason,
    platform,
    page_url,
    {{ url_host('page_url') }} as page_host,
    {{ url_path('page_url') }} as page_path,
    page_title,
    page_view_id,
    referrer_url,
    {{ url_host('referrer_url') }} as referrer_host,
    utm_source,
    utm_medium,
    utm_campaign,
    utm_term,
    utm_content,
    click_id,
    click_id_type,
    user_agent,
    device_category,
    browser,
    operating_system,
    language,
    country,
    region,
    city,
    is_bot,
    bot_rules,
    bot_category,
    consent_analytics,
    consent_ads,
    order_id,
    revenue,
    currency,
    item_id,
    engaged_seconds,
    scroll_percent,
    properties,
    is_partial,
    file_id,
    row_number
from with_session
order by source_name, device_id, occurred_at, event_order nulls last, event_id
