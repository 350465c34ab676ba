with

source as (

    select
        *,
        {{ not_blank('"$insert_id"') }} as insert_id,
        lower({{ not_blank('platform') }}) as platform_name,
        coalesce({{ not_blank('device_family') }}, {{ not_blank('device_type') }}) as device,
        {{ json_struct('event_properties', {
            '[Amplitude] Page Location': 'VARCHAR', 'page_location': 'VARCHAR',
            '[Amplitude] Page URL': 'VARCHAR', 'page_url': 'VARCHAR',
            '[Amplitude] Page Title': 'VARCHAR', 'page_title': 'VARCHAR',
            'referrer': 'VARCHAR', 'page_referrer': 'VARCHAR', 'utm_source': 'VARCHAR',
            'utm_medium': 'VARCHAR', 'utm_campaign': 'VARCHAR', 'utm_term': 'VARCHAR',
            'utm_content': 'VARCHAR', 'order_id': 'VARCHAR', 'Order ID': 'VARCHAR',
            'transaction_id': 'VARCHAR', '$productId': 'VARCHAR', 'product_id': 'VARCHAR',
            '$revenue': 'VARCHAR', 'revenue': 'VARCHAR', '$currency': 'VARCHAR',
            'currency': 'VARCHAR', '$price': 'VARCHAR', '$quantity': 'VARCHAR',
        }) }} as property
    from {{ source('raw', 'amplitude_events') }}

),

renamed as (

    select
        ---------- ids
        case
            when insert_id is not null
                then {{ stable_id(['_source_name', "'insert_id'", 'insert_id', 'device_id']) }}
            -- old events have no insert id: the device's counter and clock tell them apart
            when {{ not_blank('event_id') }} is not null
                and {{ not_blank('client_event_time') }} is not null
                then {{ stable_id([
                    '_source_name', "'event_id'", 'event_id', 'device_id', 'client_event_time',
                    'amplitude_id',
                ]) }}
            when {{ not_blank('uuid') }} is not null
                then {{ stable_id(['_source_name', "'uuid'", 'uuid']) }}
            else {{ stable_id([
                '_source_name', "'content'", 'event_type', 'event_time', 'device_id', 'user_id',
                'session_id', 'event_properties', 'user_properties', '_other_fields',
            ]) }}
        end as event_id,
        _source_name as source_name,
        'amplitude' as source_kind,
        {{ not_blank('device_id') }} as device_id,
        {{ not_blank('user_id') }} as user_id,
        -- −1 stands for "out of session": such events are not one session
        nullif({{ not_blank('session_id') }}, '-1') as tracker_session_id,
        cast(null as varchar) as page_view_id,
        coalesce(
            {{ not_blank('property.order_id') }},
            {{ not_blank('property."Order ID"') }},
            {{ not_blank('property.transaction_id') }}
        ) as order_id,
        coalesce(
            {{ not_blank('property."$productId"') }},
            {{ not_blank('property.product_id') }}
        ) as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ not_blank('event_type') }} as source_event_name,
        platform_name as platform,
        -- the vendor's "Page URL" has lost its query, and with it the campaign
        coalesce(
            {{ not_blank('property."[Amplitude] Page Location"') }},
            {{ not_blank('property.page_location') }},
            {{ not_blank('property."[Amplitude] Page URL"') }},
            {{ not_blank('property.page_url') }}
        ) as page_url,
        coalesce(
            {{ not_blank('property."[Amplitude] Page Title"') }},
            {{ not_blank('property.page_title') }}
        ) as page_title,
        coalesce(
            {{ not_blank('property.referrer') }},
            {{ not_blank('property.page_referrer') }}
        ) as referrer_url,
        -- the event's own campaign only: that of user_properties may be of years ago
        {{ not_blank('property.utm_source') }} as utm_source,
        {{ not_blank('property.utm_medium') }} as utm_medium,
        {{ not_blank('property.utm_campaign') }} as utm_campaign,
        {{ not_blank('property.utm_term') }} as utm_term,
        {{ not_blank('property.utm_content') }} as utm_content,
        cast(null as varchar) as click_id,
        cast(null as varchar) as click_id_type,
        cast(null as varchar) as user_agent,
        case
            when {{ matches('device', "'(?i)ipad|tablet'") }} then 'tablet'
            when {{ matches('device', "'(?i)iphone|ipod|phone|android'") }} then 'mobile'
            when {{ matches('device', "'(?i)^(windows|mac|linux|ubuntu|chrome ?os)'") }}
                then 'desktop'
            when platform_name in ('ios', 'android') then 'mobile'
        end as device_category,
        -- on the web the vendor writes the browser as the system, and the system as the device
        case when platform_name = 'web' then {{ not_blank('os_name') }} end as browser,
        case
            when platform_name = 'web' then device else {{ not_blank('os_name') }}
        end as operating_system,
        {{ not_blank('"language"') }} as language,
        {{ not_blank('country') }} as country,
        {{ not_blank('region') }} as region,
        {{ not_blank('city') }} as city,
        cast(null as varchar) as consent_analytics,
        cast(null as varchar) as consent_ads,
        upper(coalesce(
            {{ not_blank('property."$currency"') }},
            {{ not_blank('property.currency') }}
        )) as currency,
        {{ not_blank('event_time') }} as occurred_at_text,
        cast(null as varchar) as rejection_reason,
        -- without what changes when an event is sent again: the clocks of its upload and its uuid
        {{ json_from({
            'event_properties': 'event_properties',
            'user_properties': 'user_properties',
            'group_properties': 'group_properties',
            'groups': '"groups"',
            'data': '"data"',
            'amplitude_attribution_ids': 'amplitude_attribution_ids',
            'app': 'app',
            'amplitude_id': 'amplitude_id',
            'event_id': 'event_id',
            'version_name': 'version_name',
            'start_version': 'start_version',
            'library': '"library"',
            'os_name': 'os_name',
            'os_version': 'os_version',
            'device_family': 'device_family',
            'device_type': 'device_type',
            'device_carrier': 'device_carrier',
            'dma': 'dma',
            'paying': 'paying',
            'sample_rate': 'sample_rate',
            'other_fields': '_other_fields',
        }) }} as properties,

        ---------- numerics
        -- the vendor's rule (Track revenue): $revenue, or $price times $quantity, which is 1
        -- where it is not given
        coalesce(
            try_cast(coalesce(property."$revenue", property.revenue) as decimal(18, 4)),
            try_cast(
                cast(try_cast(property."$price" as decimal(18, 4)) as decimal(28, 4))
                * cast(
                    coalesce(try_cast(property."$quantity" as integer), 1) as decimal(10, 0)
                ) as decimal(18, 4)
            )
        ) as revenue,
        cast(null as decimal(18, 3)) as engaged_seconds,
        cast(null as integer) as scroll_percent,
        -- the device numbers its events
        try_cast({{ not_blank('event_id') }} as bigint) as event_order,

        ---------- booleans
        false as is_partial,

        ---------- timestamps
        -- the vendor's times are UTC and do not say so; a source's `timezone` cannot change them
        {{ parse_timestamp('event_time', "'UTC'") }} as occurred_at,
        coalesce(
            {{ parse_timestamp('server_received_time', "'UTC'") }},
            {{ parse_timestamp('server_upload_time', "'UTC'") }}
        ) as received_at,
        _loaded_at as loaded_at
    from source

)

select * from renamed
