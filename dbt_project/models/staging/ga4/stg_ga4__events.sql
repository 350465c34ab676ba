{%- set structs = {'event_params': json_of_keyed_list('event_params')} %}
{%- for name in ['ecommerce', 'traffic_source', 'app_info', 'device', 'geo', 'user_ltv'] %}
{%- set fields = declared_fields(source('raw', 'ga4_events'), name) %}
{%- do structs.update({name: json_of_struct(name, fields)}) %}
{%- endfor %}
with

source as (

    select
        *,
        {{ keys_of('event_params') }} as param_keys
    from {{ source('raw', 'ga4_events') }}

),

with_params as (

    select
        *,
        {{ value_of_key('event_params', 'param_keys', 'page_location') }}.string_value
            as page_location,
        {{ value_of_key('event_params', 'param_keys', 'page_title') }}.string_value as page_title,
        {{ value_of_key('event_params', 'param_keys', 'page_referrer') }}.string_value
            as page_referrer,
        {{ value_of_key('event_params', 'param_keys', 'ga_session_id') }} as ga_session_id,
        {{ value_of_key('event_params', 'param_keys', 'source') }}.string_value as param_source,
        {{ value_of_key('event_params', 'param_keys', 'medium') }}.string_value as param_medium,
        {{ value_of_key('event_params', 'param_keys', 'campaign') }}.string_value
            as param_campaign,
        {{ value_of_key('event_params', 'param_keys', 'term') }}.string_value as param_term,
        {{ value_of_key('event_params', 'param_keys', 'content') }}.string_value as param_content,
        {{ value_of_key('event_params', 'param_keys', 'gclid') }}.string_value as param_gclid,
        {{ value_of_key('event_params', 'param_keys', 'currency') }}.string_value as param_currency,
        {{ value_of_key('event_params', 'param_keys', 'transaction_id') }} as param_order,
        {{ value_of_key('event_params', 'param_keys', 'engagement_time_msec') }} as engagement_time,
        {{ value_of_key('event_params', 'param_keys', 'session_engaged') }} as session_engaged,
        {{ value_of_key('event_params', 'param_keys', 'percent_scrolled') }} as percent_scrolled
    from source

),

with_campaign as (

    select
        *,
        coalesce(
            {{ not_blank('collected_traffic_source.manual_source') }},
            {{ not_blank('param_source') }}
        ) as campaign_source,
        coalesce(
            {{ not_blank('collected_traffic_source.manual_medium') }},
            {{ not_blank('param_medium') }}
        ) as campaign_medium,
        coalesce(
            {{ not_blank('collected_traffic_source.manual_campaign_name') }},
            {{ not_blank('param_campaign') }}
        ) as campaign_name,
        coalesce(
            {{ not_blank('collected_traffic_source.gclid') }}, {{ not_blank('param_gclid') }}
        ) as gclid
    from with_params

),

-- the export calls clicks on Google's ads organic, or referrals of ad servers (Velir/dbt-ga4#302,
-- #314, #336): what it says then is no campaign, and the click id tells where the visit came from
with_ad_click as (

    select
        *,
        case
            when
                campaign_medium in ('organic', 'referral')
                or campaign_name in ('(organic)', '(referral)')
                then
                    gclid is not null
                    or coalesce(
                        {{ matches('page_location', "'(?i)[?&](gclid|gbraid|wbraid)=[^&#]'") }},
                        false
                    )
            else false
        end as is_ad_click
    from with_campaign

),

renamed as (

    select
        ---------- ids
        -- GA4 has no event id: the record's own content is its identity, parameters in any order
        {{ stable_id([
            '_source_name', 'user_pseudo_id', 'event_timestamp', 'event_name',
            'event_bundle_sequence_id', 'batch_page_id', 'batch_ordering_id', 'batch_event_index',
            'ecommerce.transaction_id', text_of_keyed_list('event_params'),
        ]) }} as event_id,
        _source_name as source_name,
        'ga4' as source_kind,
        {{ not_blank('user_pseudo_id') }} as device_id,
        {{ not_blank('user_id') }} as user_id,
        coalesce(cast(ga_session_id.int_value as varchar), ga_session_id.string_value)
            as tracker_session_id,
        cast(null as varchar) as page_view_id,
        coalesce(
            nullif({{ not_blank('ecommerce.transaction_id') }}, '(not set)'),
            nullif({{ not_blank('param_order.string_value') }}, '(not set)'),
            cast(param_order.int_value as varchar)
        ) as order_id,
        cast(null as varchar) as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ not_blank('event_name') }} as source_event_name,
        lower({{ not_blank('platform') }}) as platform,
        {{ not_blank('page_location') }} as page_url,
        {{ not_blank('page_title') }} as page_title,
        {{ not_blank('page_referrer') }} as referrer_url,
        -- the vendor writes the absence of a campaign as words in brackets
        case
            when not is_ad_click
                then nullif(nullif(campaign_source, '(direct)'), '(not set)')
        end as utm_source,
        case
            when not is_ad_click
                then nullif(nullif(campaign_medium, '(none)'), '(not set)')
        end as utm_medium,
        case
            when
                not is_ad_click
                and campaign_name not in ('(direct)', '(not set)', '(organic)', '(referral)')
                then campaign_name
        end as utm_campaign,
        coalesce(
            {{ not_blank('collected_traffic_source.manual_term') }}, {{ not_blank('param_term') }}
        ) as utm_term,
        coalesce(
            {{ not_blank('collected_traffic_source.manual_content') }},
            {{ not_blank('param_content') }}
        ) as utm_content,
        coalesce(
            gclid,
            {{ not_blank('collected_traffic_source.dclid') }},
            {{ not_blank('collected_traffic_source.srsltid') }}
        ) as click_id,
        case
            when gclid is not null then 'gclid'
            when {{ not_blank('collected_traffic_source.dclid') }} is not null then 'dclid'
            when {{ not_blank('collected_traffic_source.srsltid') }} is not null then 'srsltid'
        end as click_id_type,
        cast(null as varchar) as user_agent,
        {{ not_blank('device.category') }} as device_category,
        {{ not_blank('coalesce(device.web_info.browser, device.browser)') }} as browser,
        {{ not_blank('device.operating_system') }} as operating_system,
        {{ not_blank('device."language"') }} as language,
        nullif({{ not_blank('geo.country') }}, '(not set)') as country,
        nullif({{ not_blank('geo.region') }}, '(not set)') as region,
        nullif({{ not_blank('geo.city') }}, '(not set)') as city,
        lower({{ not_blank('privacy_info.analytics_storage') }}) as consent_analytics,
        lower({{ not_blank('privacy_info.ads_storage') }}) as consent_ads,
        -- without a currency only the vendor's own conversion to USD can be read
        case
            when event_name = 'purchase'
                then upper(coalesce({{ not_blank('param_currency') }}, 'USD'))
        end as currency,
        cast(event_timestamp as varchar) as occurred_at_text,
        cast(null as varchar) as rejection_reason,
        {{ json_from(
            {
                'user_properties': json_of('user_properties'),
                'stream_id': 'stream_id',
                'user_first_touch_timestamp': 'user_first_touch_timestamp',
                'other_fields': '_other_fields',
            },
            texts=structs
        ) }} as properties,
        {{ hash_of([
            'event_params', 'user_properties', 'ecommerce', 'traffic_source', 'app_info', 'device', 'geo',
            'user_ltv', 'stream_id', 'user_first_touch_timestamp', '_other_fields',
        ]) }} as properties_hash,

        ---------- numerics
        case
            when event_name != 'purchase' then null
            when {{ not_blank('param_currency') }} is null
                then try_cast(ecommerce.purchase_revenue_in_usd as decimal(18, 4))
            else try_cast(ecommerce.purchase_revenue as decimal(18, 4))
        end as revenue,
        try_cast(
            coalesce(
                engagement_time.int_value, try_cast(engagement_time.string_value as bigint)
            ) * 0.001 as decimal(18, 3)
        ) as engaged_seconds,
        try_cast(
            coalesce(
                percent_scrolled.int_value, try_cast(percent_scrolled.string_value as bigint)
            ) as integer
        ) as scroll_percent,
        -- events of one batch share a timestamp; the vendor numbers page, batch and event
        coalesce(batch_page_id, 0) * 1000000
        + coalesce(batch_ordering_id, 0) * 1000
        + coalesce(batch_event_index, event_bundle_sequence_id % 1000, 0) as event_order,

        ---------- booleans
        false as is_partial,
        coalesce(session_engaged.int_value, try_cast(session_engaged.string_value as bigint)) = 1
            as is_engaged_by_tracker,

        ---------- timestamps
        {{ timestamp_from_micros('event_timestamp') }} as occurred_at,
        cast(null as timestamp) as received_at,
        _loaded_at as loaded_at
    from with_ad_click

)

select * from renamed
