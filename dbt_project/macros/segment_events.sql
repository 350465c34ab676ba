{#- From `calls`, calls of the Segment protocol with flat fields, to `renamed`, the event contract.

    Both ways in which the calls are exported end here: as JSON (kind segment), whose nested fields
    are flattened before, and as tables (kind segment_warehouse), which are flat.
    `content` is what tells calls without an id apart; `client_clock` the time by the client's clock. #}
{% macro segment_events(source_kind, content, client_clock, is_partial, properties) %}
calls_with_clocks as (

    select
        *,
        {{ parse_timestamp('call_original_text', '_source_timezone') }} as call_original_at,
        {{ parse_timestamp('call_timestamp_text', '_source_timezone') }} as call_timestamp_at,
        {{ parse_timestamp('call_sent_text', '_source_timezone') }} as call_sent_at,
        {{ parse_timestamp('call_received_text', '_source_timezone') }} as call_received_at,
        -- any event may bring revenue, an order also as its total or value; of refunds, checkouts
        -- and payments the order's completion counts it
        case
            when
                call_type = 'track'
                and not {{ matches(
                    'call_event',
                    "'(?i)^(checkout|payment|coupon|order[ _](refunded|cancelled|updated))'"
                ) }}
                then coalesce(
                        {{ not_blank('property_revenue') }},
                        case
                            when {{ not_blank('property_order_id') }} is not null
                                then coalesce(
                                        {{ not_blank('property_total') }},
                                        {{ not_blank('property_value') }}
                                    )
                        end
                    )
        end as call_revenue
    from calls

),

renamed as (

    select
        ---------- ids
        case
            when call_id is not null then {{ stable_id(['_source_name', 'call_id']) }}
            -- without an id the content is the identity, wherever the record stands
            else {{ stable_id(['_source_name', "'content'"] + content) }}
        end as event_id,
        _source_name as source_name,
        '{{ source_kind }}' as source_kind,
        -- the id that an alias call retires is, where the call names no other, its device's
        coalesce(
            call_anonymous_id,
            case when call_type = 'alias' then {{ not_blank('call_previous_id') }} end
        ) as device_id,
        call_user_id as user_id,
        {{ not_blank('context_session_id') }} as tracker_session_id,
        cast(null as varchar) as page_view_id,
        {{ not_blank('property_order_id') }} as order_id,
        {{ not_blank('property_product_id') }} as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        case call_type
            when 'track' then call_event
            when 'page' then 'page_view'
            when 'screen' then 'screen_view'
            else call_type
        end as source_event_name,
        case lower({{ not_blank('channel') }})
            when 'browser' then 'web'
            when 'client' then 'web'
            else coalesce(
                    lower({{ not_blank('channel') }}),
                    case call_type when 'page' then 'web' when 'screen' then 'mobile' end
                )
        end as platform,
        -- a page call may name the page itself; elsewhere properties.url is whatever was clicked
        coalesce(
            case when call_type = 'page' then {{ not_blank('property_url') }} end,
            {{ not_blank('context_page_url') }}
        ) as page_url,
        case call_type
            when 'screen' then coalesce({{ not_blank('call_name') }}, {{ not_blank('property_name') }})
            when 'page'
                then coalesce(
                        {{ not_blank('property_title') }},
                        {{ not_blank('context_page_title') }},
                        {{ not_blank('call_name') }}
                    )
            else {{ not_blank('context_page_title') }}
        end as page_title,
        -- RudderStack writes the absence of a referrer as a word
        nullif(
            coalesce(
                case when call_type = 'page' then {{ not_blank('property_referrer') }} end,
                {{ not_blank('context_page_referrer') }}
            ), '$direct'
        ) as referrer_url,
        {{ not_blank('context_campaign_source') }} as utm_source,
        {{ not_blank('context_campaign_medium') }} as utm_medium,
        {{ not_blank('context_campaign_name') }} as utm_campaign,
        {{ not_blank('context_campaign_term') }} as utm_term,
        {{ not_blank('context_campaign_content') }} as utm_content,
        cast(null as varchar) as click_id,
        cast(null as varchar) as click_id_type,
        {{ not_blank('context_user_agent') }} as user_agent,
        -- the mobile libraries give the platform as the type of the device
        case
            when lower(context_device_type) in ('ios', 'android') then 'mobile'
            else lower({{ not_blank('context_device_type') }})
        end as device_category,
        cast(null as varchar) as browser,
        {{ not_blank('context_os_name') }} as operating_system,
        {{ not_blank('context_locale') }} as language,
        call_country as country,
        call_region as region,
        call_city as city,
        call_consent_analytics as consent_analytics,
        call_consent_ads as consent_ads,
        -- revenue without a currency is in US dollars, says the protocol (Spec: Track)
        coalesce(
            upper({{ not_blank('property_currency') }}),
            case when call_revenue is not null then 'USD' end
        ) as currency,
        coalesce(call_timestamp_text, call_original_text, call_received_text) as occurred_at_text,
        case
            when
                call_type is null
                or call_type not in ('track', 'page', 'screen', 'identify', 'group', 'alias')
                then 'unknown_record_type'
        end as rejection_reason,
        {{ properties }} as properties,

        ---------- numerics
        try_cast(call_revenue as decimal(18, 4)) as revenue,
        cast(null as decimal(18, 3)) as engaged_seconds,
        cast(null as integer) as scroll_percent,
        cast(null as bigint) as event_order,

        ---------- booleans
        {{ is_partial }} as is_partial,

        ---------- timestamps
        -- received − (sent − original): the client's clock may be wrong, its differences are not
        coalesce(
            call_received_at - (call_sent_at - {{ client_clock }}),
            call_timestamp_at,
            call_original_at,
            case
                when coalesce(call_timestamp_text, call_original_text) is null then call_received_at
            end
        ) as occurred_at,
        call_received_at as received_at,
        _loaded_at as loaded_at
    from calls_with_clocks

)
{% endmacro %}
