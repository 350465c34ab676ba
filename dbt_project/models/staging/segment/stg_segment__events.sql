with

source as (

    select * from {{ source('raw', 'segment_calls') }}

),

with_fields as (

    select
        *,
        {{ json_struct('context', {
            'page': {'url': 'VARCHAR', 'title': 'VARCHAR', 'referrer': 'VARCHAR'},
            'campaign': {
                'source': 'VARCHAR', 'medium': 'VARCHAR', 'name': 'VARCHAR', 'term': 'VARCHAR',
                'content': 'VARCHAR',
            },
            'userAgent': 'VARCHAR',
            'device': {'type': 'VARCHAR'},
            'os': {'name': 'VARCHAR'},
            'locale': 'VARCHAR',
            'sessionId': 'VARCHAR',
            'location': {'country': 'VARCHAR', 'region': 'VARCHAR', 'city': 'VARCHAR'},
            'geo': {
                'country': {'name': 'VARCHAR', 'code': 'VARCHAR'},
                'region': {'name': 'VARCHAR', 'code': 'VARCHAR'},
                'city': {'name': 'VARCHAR'},
            },
            'consent': {'categoryPreferences': 'JSON'},
        }) }} as context_fields,
        {{ json_struct('properties', {
            'url': 'VARCHAR', 'title': 'VARCHAR', 'referrer': 'VARCHAR', 'name': 'VARCHAR',
            'order_id': 'VARCHAR', 'revenue': 'VARCHAR', 'total': 'VARCHAR', 'value': 'VARCHAR',
            'currency': 'VARCHAR', 'product_id': 'VARCHAR',
        }) }} as property_fields,
        -- a warehouse's copy of the track calls has an event and no type
        coalesce(
            lower({{ not_blank('"type"') }}),
            case when {{ not_blank('"event"') }} is not null then 'track' end
        ) as call_type,
        coalesce({{ not_blank('"messageId"') }}, {{ not_blank('id') }}, {{ not_blank('event_id') }})
            as message_id,
        coalesce({{ not_blank('"anonymousId"') }}, {{ not_blank('anonymous_id') }})
            as anonymous_id_given,
        coalesce({{ not_blank('"userId"') }}, {{ not_blank('user_id') }}) as user_id_given,
        coalesce({{ not_blank('"originalTimestamp"') }}, {{ not_blank('original_timestamp') }})
            as original_text,
        {{ not_blank('"timestamp"') }} as timestamp_text,
        coalesce({{ not_blank('"sentAt"') }}, {{ not_blank('sent_at') }}) as sent_text,
        coalesce({{ not_blank('"receivedAt"') }}, {{ not_blank('received_at') }}) as received_text
    from source

),

with_clocks as (

    select
        *,
        {{ parse_timestamp('original_text', '_source_timezone') }} as client_original_at,
        {{ parse_timestamp('timestamp_text', '_source_timezone') }} as client_timestamp_at,
        {{ parse_timestamp('sent_text', '_source_timezone') }} as client_sent_at,
        {{ parse_timestamp('received_text', '_source_timezone') }} as collector_received_at,
        -- refunds, checkouts and payments name an order too, whose revenue its completion counts
        call_type = 'track'
        and {{ not_blank('property_fields.order_id') }} is not null
        and not {{ matches(
            '"event"', "'(?i)^(checkout|payment|coupon|order (refunded|cancelled|updated))'"
        ) }} as is_order
    from with_fields

),

renamed as (

    select
        ---------- ids
        case
            when message_id is not null then {{ stable_id(['_source_name', 'message_id']) }}
            -- without an id the content is the identity, wherever the record stands
            else {{ stable_id([
                '_source_name', "'content'", '"type"', '"event"', '"name"', 'category',
                'anonymous_id_given', 'user_id_given', '"previousId"', '"groupId"',
                'original_text', 'timestamp_text', 'sent_text', 'received_text',
                'channel', 'properties', 'traits', '"context"', '_other_fields',
            ]) }}
        end as event_id,
        _source_name as source_name,
        'segment' as source_kind,
        -- the id that an alias call retires is, where the call names no other, its device's
        coalesce(
            anonymous_id_given,
            case when call_type = 'alias' then {{ not_blank('"previousId"') }} end
        ) as device_id,
        user_id_given as user_id,
        {{ not_blank('context_fields."sessionId"') }} as tracker_session_id,
        cast(null as varchar) as page_view_id,
        {{ not_blank('property_fields.order_id') }} as order_id,
        {{ not_blank('property_fields.product_id') }} as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        case call_type
            when 'track' then {{ not_blank('"event"') }}
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
            case when call_type = 'page' then {{ not_blank('property_fields.url') }} end,
            {{ not_blank('context_fields.page.url') }}
        ) as page_url,
        case call_type
            when 'screen'
                then coalesce({{ not_blank('"name"') }}, {{ not_blank('property_fields."name"') }})
            when 'page'
                then coalesce(
                        {{ not_blank('property_fields.title') }},
                        {{ not_blank('context_fields.page.title') }},
                        {{ not_blank('"name"') }}
                    )
            else {{ not_blank('context_fields.page.title') }}
        end as page_title,
        -- RudderStack writes the absence of a referrer as a word
        nullif(
            coalesce(
                case when call_type = 'page' then {{ not_blank('property_fields.referrer') }} end,
                {{ not_blank('context_fields.page.referrer') }}
            ), '$direct'
        ) as referrer_url,
        {{ not_blank('context_fields.campaign."source"') }} as utm_source,
        {{ not_blank('context_fields.campaign."medium"') }} as utm_medium,
        {{ not_blank('context_fields.campaign."name"') }} as utm_campaign,
        {{ not_blank('context_fields.campaign."term"') }} as utm_term,
        {{ not_blank('context_fields.campaign."content"') }} as utm_content,
        cast(null as varchar) as click_id,
        cast(null as varchar) as click_id_type,
        {{ not_blank('context_fields."userAgent"') }} as user_agent,
        -- the mobile libraries give the platform as the type of the device
        case
            when lower(context_fields.device.type) in ('ios', 'android') then 'mobile'
            else lower({{ not_blank('context_fields.device.type') }})
        end as device_category,
        cast(null as varchar) as browser,
        {{ not_blank('context_fields.os."name"') }} as operating_system,
        {{ not_blank('context_fields.locale') }} as language,
        coalesce(
            {{ not_blank('context_fields."location".country') }},
            {{ not_blank('context_fields.geo.country."name"') }},
            {{ not_blank('context_fields.geo.country.code') }}
        ) as country,
        coalesce(
            {{ not_blank('context_fields."location".region') }},
            {{ not_blank('context_fields.geo.region."name"') }},
            {{ not_blank('context_fields.geo.region.code') }}
        ) as region,
        coalesce(
            {{ not_blank('context_fields."location".city') }},
            {{ not_blank('context_fields.geo.city."name"') }}
        ) as city,
        -- the site names its categories itself: the usual names, and OneTrust's codes
        coalesce(
            {{ json_text('context_fields.consent."categoryPreferences"', '$.analytics') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.Analytics') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.C0002') }}
        ) as consent_analytics,
        coalesce(
            {{ json_text('context_fields.consent."categoryPreferences"', '$.marketing') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.advertising') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.Advertising') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.C0004') }}
        ) as consent_ads,
        upper({{ not_blank('property_fields.currency') }}) as currency,
        coalesce(timestamp_text, original_text, received_text) as occurred_at_text,
        case
            when
                call_type is null
                or call_type not in ('track', 'page', 'screen', 'identify', 'group', 'alias')
                then 'unknown_record_type'
        end as rejection_reason,
        {{ json_from({
            'type': '"type"',
            'name': '"name"',
            'category': 'category',
            'groupId': '"groupId"',
            'previousId': '"previousId"',
            'properties': 'properties',
            'traits': 'traits',
            'context': '"context"',
            'integrations': 'integrations',
            'version': '"version"',
            'other_fields': '_other_fields',
        }) }} as properties,

        ---------- numerics
        case
            when is_order
                then try_cast(
                        coalesce(
                            {{ not_blank('property_fields.revenue') }},
                            {{ not_blank('property_fields.total') }},
                            {{ not_blank('property_fields."value"') }}
                        ) as decimal(18, 4)
                    )
        end as revenue,
        cast(null as decimal(18, 3)) as engaged_seconds,
        cast(null as integer) as scroll_percent,
        cast(null as bigint) as event_order,

        ---------- booleans
        false as is_partial,

        ---------- timestamps
        -- received − (sent − original): the client's clock may be wrong, its differences are not.
        -- Segment's own `timestamp` is that sum; Jitsu's, which has no original, is the client's.
        coalesce(
            collector_received_at
            - (client_sent_at - coalesce(client_original_at, client_timestamp_at)),
            client_timestamp_at,
            client_original_at,
            case when coalesce(timestamp_text, original_text) is null then collector_received_at end
        ) as occurred_at,
        collector_received_at as received_at,
        _loaded_at as loaded_at
    from with_clocks

)

select * from renamed
