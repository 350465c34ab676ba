with

source as (

    select
        *,
        {{ json_struct('properties', {
            'time': 'VARCHAR', 'distinct_id': 'VARCHAR', '$insert_id': 'VARCHAR',
            '$distinct_id_before_identity': 'VARCHAR', '$device_id': 'VARCHAR',
            '$user_id': 'VARCHAR', 'mp_processing_time_ms': 'VARCHAR', 'mp_lib': 'VARCHAR',
            '$current_url': 'VARCHAR', 'current_page_title': 'VARCHAR', '$referrer': 'VARCHAR',
            'utm_source': 'VARCHAR', 'utm_medium': 'VARCHAR', 'utm_campaign': 'VARCHAR',
            'utm_term': 'VARCHAR', 'utm_content': 'VARCHAR', '$user_agent': 'VARCHAR',
            '$browser': 'VARCHAR', '$os': 'VARCHAR', '$device': 'VARCHAR',
            'mp_country_code': 'VARCHAR', '$region': 'VARCHAR', '$city': 'VARCHAR',
            'order_id': 'VARCHAR', 'Order ID': 'VARCHAR', 'transaction_id': 'VARCHAR',
            'product_id': 'VARCHAR', 'Product ID': 'VARCHAR', 'revenue': 'VARCHAR',
            '$revenue': 'VARCHAR', '$amount': 'VARCHAR', 'currency': 'VARCHAR',
            '$currency': 'VARCHAR',
        }) }} as property
    from {{ source('raw', 'mixpanel_events') }}

),

with_names as (

    select
        *,
        {{ not_blank('property."time"') }} as time_text,
        {{ not_blank('property.distinct_id') }} as distinct_id,
        {{ not_blank('property."$distinct_id_before_identity"') }} as replaced_distinct_id,
        {{ not_blank('property."$insert_id"') }} as insert_id,
        {{ not_blank('property."$device_id"') }} as known_device_id,
        {{ not_blank('property."$user_id"') }} as known_user_id,
        {{ not_blank('property.mp_lib') }} as library,
        {{ not_blank('property."$os"') }} as os,
        {{ not_blank('property."$device"') }} as device
    from source

),

-- Once a device's user is known, the export tells its earlier events otherwise: distinct_id is the
-- person's, $distinct_id_before_identity is what it was, and in projects with Simplified ID Merge
-- there is $user_id (docs.mixpanel.com, Identity Management).
with_lasting_ids as (

    select
        *,
        {{ parse_timestamp('time_text', "'UTC'") }} as time_as_utc,
        coalesce(replaced_distinct_id, distinct_id) as sent_id,
        {{ json_merged(
            'properties',
            '\'{"distinct_id": null, "$user_id": null, "$distinct_id_before_identity": null, '
            ~ '"mp_processing_time_ms": null}\''
        ) }} as lasting_properties
    from with_names

),

with_sender as (

    select
        *,
        -- an anonymous id is the device's, with or without a prefix that says so
        coalesce(
            known_device_id,
            case when sent_id like '$device:%' then substr(sent_id, 9) else sent_id end
        ) as sender_id
    from with_lasting_ids

),

with_platform as (

    select
        *,
        case
            when library = 'web' then 'web'
            when library in ('android', 'iphone', 'swift', 'react-native', 'flutter', 'unity')
                then 'mobile'
        end as platform
    from with_sender

),

with_user as (

    select
        *,
        coalesce(
            known_user_id,
            -- What a server sends without a device is a user's: "distinct_id values without the
            -- $device: prefix will be used as $user_id" (docs.mixpanel.com, Migrating to Simplified
            -- ID Merge), and only there the export has $user_id, too. What an old client sends may
            -- be anonymous, as may what Segment forwards, and that to which an alias is given.
            case
                when
                    known_device_id is null
                    and platform is null
                    and coalesce(library not like 'Segment:%', true)
                    and sent_id not like '$device:%'
                    and coalesce(event != '$create_alias', true)
                    then sent_id
            end
        ) as user_id
    from with_platform

),

renamed as (

    select
        ---------- ids
        case
            -- the vendor's key, with what lasts of distinct_id: its export repeats events. Time
            -- counts to the second, so that an export with `time_in_ms` delivers no event anew
            when insert_id is not null
                then {{ stable_id([
                    '_source_name', "'insert_id'", 'event', 'sender_id', 'insert_id',
                    dbt.date_trunc('second', 'time_as_utc'),
                ]) }}
            -- old events have no insert id: the content is the identity
            else {{ stable_id([
                '_source_name', "'content'", 'event', 'sender_id', 'lasting_properties',
                '_other_fields',
            ]) }}
        end as event_id,
        _source_name as source_name,
        'mixpanel' as source_kind,
        -- the id of a known user is no device
        coalesce(known_device_id, nullif(sender_id, user_id)) as device_id,
        user_id,
        cast(null as varchar) as tracker_session_id,
        cast(null as varchar) as page_view_id,
        coalesce(
            {{ not_blank('property.order_id') }},
            {{ not_blank('property."Order ID"') }},
            {{ not_blank('property.transaction_id') }}
        ) as order_id,
        coalesce(
            {{ not_blank('property.product_id') }},
            {{ not_blank('property."Product ID"') }}
        ) as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ not_blank('event') }} as source_event_name,
        platform,
        {{ not_blank('property."$current_url"') }} as page_url,
        {{ not_blank('property.current_page_title') }} as page_title,
        -- the vendor writes the absence of a referrer as a word
        nullif({{ not_blank('property."$referrer"') }}, '$direct')
            as referrer_url,
        -- the web library repeats the last campaign on later events (mixpanel-js 2.52.0: "UTM
        -- parameters will be persisted by default"): where there is an address it alone says what
        -- campaign the event itself came from
        case
            when {{ not_blank('property."$current_url"') }} is null
                then {{ not_blank('property.utm_source') }}
        end as utm_source,
        case
            when {{ not_blank('property."$current_url"') }} is null
                then {{ not_blank('property.utm_medium') }}
        end as utm_medium,
        case
            when {{ not_blank('property."$current_url"') }} is null
                then {{ not_blank('property.utm_campaign') }}
        end as utm_campaign,
        case
            when {{ not_blank('property."$current_url"') }} is null
                then {{ not_blank('property.utm_term') }}
        end as utm_term,
        case
            when {{ not_blank('property."$current_url"') }} is null
                then {{ not_blank('property.utm_content') }}
        end as utm_content,
        cast(null as varchar) as click_id,
        cast(null as varchar) as click_id_type,
        {{ not_blank('property."$user_agent"') }} as user_agent,
        -- the vendor names a hand-held device, and no other
        case
            when device = 'iPad' then 'tablet'
            when device in ('iPhone', 'iPod Touch', 'Android', 'Windows Phone', 'BlackBerry')
                then 'mobile'
            when device is null and os in ('Windows', 'Mac OS X', 'Linux', 'Chrome OS')
                then 'desktop'
        end as device_category,
        {{ not_blank('property."$browser"') }} as browser,
        os as operating_system,
        cast(null as varchar) as language,
        {{ not_blank('property.mp_country_code') }} as country,
        {{ not_blank('property."$region"') }} as region,
        {{ not_blank('property."$city"') }} as city,
        cast(null as varchar) as consent_analytics,
        cast(null as varchar) as consent_ads,
        upper(coalesce(
            {{ not_blank('property.currency') }},
            {{ not_blank(json_text('properties', '$.Currency')) }},
            {{ not_blank('property."$currency"') }}
        )) as currency,
        time_text as occurred_at_text,
        cast(null as varchar) as rejection_reason,
        -- a line is an event and its properties; a field beside them would be news, and is kept
        case
            when _other_fields is null then properties
            else {{ json_from({'properties': 'properties', 'other_fields': '_other_fields'}) }}
        end as properties,
        {{ hash_of(['lasting_properties', '_other_fields']) }} as properties_hash,

        ---------- numerics
        try_cast(
            coalesce(
                property.revenue,
                {{ json_text('properties', '$.Revenue') }},
                property."$revenue",
                property."$amount"
            ) as decimal(18, 4)
        ) as revenue,
        cast(null as decimal(18, 3)) as engaged_seconds,
        cast(null as integer) as scroll_percent,
        -- time is in whole seconds: within one, what was processed first happened first
        try_cast(property.mp_processing_time_ms as bigint) as event_order,

        ---------- booleans
        -- told before the user was known
        user_id is null and replaced_distinct_id is null as is_partial,

        ---------- timestamps
        -- A number of seconds is UTC by nature, but projects of before 2023 may write it shifted:
        -- so that, read as UTC, it shows the clock of the project's zone. The source's `timezone`
        -- says so, and the number is then that zone's local time. With UTC nothing changes.
        {{ at_time_zone('time_as_utc', '_source_timezone') }} as occurred_at,
        {{ parse_timestamp('property.mp_processing_time_ms', "'UTC'") }} as received_at,
        _loaded_at as loaded_at
    from with_user

)

select * from renamed
