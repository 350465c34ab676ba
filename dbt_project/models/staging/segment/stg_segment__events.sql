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
        }) }} as property_fields
    from source

),

calls as (

    select
        *,
        -- a warehouse's copy of the track calls has an event and no type
        coalesce(
            lower({{ not_blank('"type"') }}),
            case when {{ not_blank('"event"') }} is not null then 'track' end
        ) as call_type,
        coalesce({{ not_blank('"messageId"') }}, {{ not_blank('id') }}, {{ not_blank('event_id') }})
            as call_id,
        coalesce({{ not_blank('"anonymousId"') }}, {{ not_blank('anonymous_id') }})
            as call_anonymous_id,
        coalesce({{ not_blank('"userId"') }}, {{ not_blank('user_id') }}) as call_user_id,
        previousId as call_previous_id,
        {{ not_blank('"event"') }} as call_event,
        name as call_name,
        coalesce({{ not_blank('"originalTimestamp"') }}, {{ not_blank('original_timestamp') }})
            as call_original_text,
        {{ not_blank('"timestamp"') }} as call_timestamp_text,
        coalesce({{ not_blank('"sentAt"') }}, {{ not_blank('sent_at') }}) as call_sent_text,
        coalesce({{ not_blank('"receivedAt"') }}, {{ not_blank('received_at') }})
            as call_received_text,
        property_fields.url as property_url,
        property_fields.title as property_title,
        property_fields.referrer as property_referrer,
        property_fields.name as property_name,
        property_fields.order_id as property_order_id,
        property_fields.revenue as property_revenue,
        property_fields.total as property_total,
        property_fields.value as property_value,
        property_fields.currency as property_currency,
        property_fields.product_id as property_product_id,
        context_fields.page.url as context_page_url,
        context_fields.page.title as context_page_title,
        context_fields.page.referrer as context_page_referrer,
        context_fields.campaign.source as context_campaign_source,
        context_fields.campaign.medium as context_campaign_medium,
        context_fields.campaign.name as context_campaign_name,
        context_fields.campaign.term as context_campaign_term,
        context_fields.campaign.content as context_campaign_content,
        context_fields.userAgent as context_user_agent,
        context_fields.device.type as context_device_type,
        context_fields.os.name as context_os_name,
        context_fields.locale as context_locale,
        context_fields.sessionId as context_session_id,
        coalesce(
            {{ not_blank('context_fields."location".country') }},
            {{ not_blank('context_fields.geo.country."name"') }},
            {{ not_blank('context_fields.geo.country.code') }}
        ) as call_country,
        coalesce(
            {{ not_blank('context_fields."location".region') }},
            {{ not_blank('context_fields.geo.region."name"') }},
            {{ not_blank('context_fields.geo.region.code') }}
        ) as call_region,
        coalesce(
            {{ not_blank('context_fields."location".city') }},
            {{ not_blank('context_fields.geo.city."name"') }}
        ) as call_city,
        -- the site names its categories itself: the usual names, and OneTrust's codes
        coalesce(
            {{ json_text('context_fields.consent."categoryPreferences"', '$.analytics') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.Analytics') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.C0002') }}
        ) as call_consent_analytics,
        coalesce(
            {{ json_text('context_fields.consent."categoryPreferences"', '$.marketing') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.advertising') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.Advertising') }},
            {{ json_text('context_fields.consent."categoryPreferences"', '$.C0004') }}
        ) as call_consent_ads
    from with_fields

),

{#- Segment's `timestamp` is the corrected time; Jitsu's, which has no original, the client's. #}
{{ segment_events(
    'segment',
    content=[
        '"type"', '"event"', '"name"', 'category', 'call_anonymous_id', 'call_user_id',
        '"previousId"', '"groupId"', 'call_original_text', 'call_timestamp_text',
        'call_sent_text', 'call_received_text', 'channel', 'properties', 'traits', '"context"',
        '_other_fields',
    ],
    client_clock='coalesce(call_original_at, call_timestamp_at)',
    is_partial='false',
    properties=json_from({
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
    }),
) }}

select * from renamed
