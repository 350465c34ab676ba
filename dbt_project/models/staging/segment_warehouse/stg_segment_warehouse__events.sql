with

source as (

    select * from {{ source('raw', 'segment_warehouse_rows') }}

),

with_fields as (

    select
        *,
        {{ json_struct('_other_fields', {
            'url': 'VARCHAR', 'title': 'VARCHAR', 'referrer': 'VARCHAR', 'name': 'VARCHAR',
            'order_id': 'VARCHAR', 'revenue': 'VARCHAR', 'total': 'VARCHAR', 'value': 'VARCHAR',
            'currency': 'VARCHAR', 'product_id': 'VARCHAR', 'previous_id': 'VARCHAR',
            'context_consent_category_preferences_analytics': 'VARCHAR',
            'context_consent_category_preferences_advertising': 'VARCHAR',
            'context_consent_category_preferences_marketing': 'VARCHAR',
            'context_consent_category_preferences_c0002': 'VARCHAR',
            'context_consent_category_preferences_c0004': 'VARCHAR',
        }) }} as property_fields
    from source
    -- the tables of users and accounts say what is known of them, not what happened: see profiles
    where coalesce(_table, '') not in ('users', 'accounts') or event is not null

),

calls as (

    select
        *,
        -- only calls of `track` have an event, whatever the folder is called that they lie in
        case
            when event is not null or _table = 'tracks' then 'track'
            when _table = 'pages' then 'page'
            when _table = 'screens' then 'screen'
            when _table = 'identifies' then 'identify'
            when _table = 'groups' then 'group'
            when _table = 'aliases' then 'alias'
        end as call_type,
        {{ not_blank('id') }} as call_id,
        {{ not_blank('anonymous_id') }} as call_anonymous_id,
        {{ not_blank('user_id') }} as call_user_id,
        property_fields.previous_id as call_previous_id,
        coalesce({{ not_blank('event_text') }}, {{ not_blank('event') }}) as call_event,
        property_fields.name as call_name,
        {{ not_blank('original_timestamp') }} as call_original_text,
        {{ not_blank('"timestamp"') }} as call_timestamp_text,
        {{ not_blank('sent_at') }} as call_sent_text,
        {{ not_blank('received_at') }} as call_received_text,
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
        {{ not_blank('context_location_country') }} as call_country,
        {{ not_blank('context_location_region') }} as call_region,
        {{ not_blank('context_location_city') }} as call_city,
        coalesce(
            property_fields.context_consent_category_preferences_analytics,
            property_fields.context_consent_category_preferences_c0002
        ) as call_consent_analytics,
        coalesce(
            property_fields.context_consent_category_preferences_marketing,
            property_fields.context_consent_category_preferences_advertising,
            property_fields.context_consent_category_preferences_c0004
        ) as call_consent_ads
    from with_fields

),

{#- Both vendors' `timestamp` is the corrected time, so only the original is the client's. #}
{{ segment_events(
    'segment_warehouse',
    content=[
        '_table', 'call_event', 'call_anonymous_id', 'call_user_id', 'call_original_text',
        'call_timestamp_text', 'call_sent_text', 'call_received_text', 'channel',
        'context_page_url', '_other_fields',
    ],
    client_clock='call_original_at',
    is_partial="coalesce(_table = 'tracks', false)",
    properties='_other_fields',
) }}

select * from renamed
