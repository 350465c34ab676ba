-- what each record says, in the words that all sources share, and why it is rejected if it is
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

)

select
    records.event_id,
    records.source_name,
    records.source_kind,
    records.source_event_name,
    records.occurred_at,
    records.occurred_at_text,
    {{ local_date('records.occurred_at', var('reporting_timezone')) }} as event_date,
    records.received_at,
    records.loaded_at,
    records.event_order,
    case when ignored_user_ids.quoted_user_id is null then records.user_id end as user_id,
    coalesce(
        records.device_id,
        case
            when ignored_user_ids.quoted_user_id is null
                then {{ device_of_user('records.user_id') }}
        end
    ) as device_id,
    case
        when sources.session_ids_from = 'tracker' then records.tracker_session_id
    end as session_thread,
    records.platform,
    records.page_url,
    {{ url_host('records.page_url') }} as page_host,
    {{ url_path('records.page_url') }} as page_path,
    records.page_title,
    records.page_view_id,
    records.referrer_url,
    {{ url_host('records.referrer_url') }} as referrer_host,
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
    records.revised_at,
    records.properties_hash,
    records.is_engaged_by_tracker,
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
