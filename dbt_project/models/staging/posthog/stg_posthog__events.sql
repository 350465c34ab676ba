with

source as (

    select * from {{ source('raw', 'posthog_events') }}

),

with_fields as (

    select
        *,
        {{ json_struct('properties', {
            '$device_id': 'VARCHAR', '$is_identified': 'VARCHAR',
            '$process_person_profile': 'VARCHAR', '$anon_distinct_id': 'VARCHAR',
            '$session_id': 'VARCHAR', '$pageview_id': 'VARCHAR', '$lib': 'VARCHAR',
            '$current_url': 'VARCHAR', '$screen_name': 'VARCHAR', 'title': 'VARCHAR',
            '$title': 'VARCHAR',
            '$referrer': 'VARCHAR', 'utm_source': 'VARCHAR', 'utm_medium': 'VARCHAR',
            'utm_campaign': 'VARCHAR', 'utm_term': 'VARCHAR', 'utm_content': 'VARCHAR',
            '$raw_user_agent': 'VARCHAR', '$user_agent': 'VARCHAR', '$device_type': 'VARCHAR',
            '$browser': 'VARCHAR', '$os': 'VARCHAR', '$os_name': 'VARCHAR',
            '$browser_language': 'VARCHAR', '$locale': 'VARCHAR',
            '$geoip_country_name': 'VARCHAR', '$geoip_country_code': 'VARCHAR',
            '$geoip_subdivision_1_name': 'VARCHAR', '$geoip_city_name': 'VARCHAR',
            '$prev_pageview_max_scroll_percentage': 'VARCHAR', 'order_id': 'VARCHAR',
            'revenue': 'VARCHAR', 'total': 'VARCHAR', 'value': 'VARCHAR', 'currency': 'VARCHAR',
            'product_id': 'VARCHAR',
        }) }} as fields,
        {{ parse_timestamp('"timestamp"', "'UTC'") }} as event_at,
        {{ parse_timestamp('created_at', "'UTC'") }} as ingested_at
    from source

),

with_ids as (

    select
        *,
        {{ not_blank('distinct_id') }} as sent_id,
        {{ not_blank('fields."$device_id"') }} as known_device_id,
        {{ not_blank('fields."$anon_distinct_id"') }} as anonymous_id
    from with_fields

),

-- Until somebody is identified, distinct_id is anonymous: the id of the device or, after a reset,
-- another one, of which the tracker says that it is not identified.
with_user as (

    select
        *,
        case
            when sent_id = known_device_id then null
            -- a login; not every tracker says of it that somebody is identified
            when event = '$identify' and sent_id != anonymous_id then sent_id
            when
                coalesce(
                    fields."$is_identified",
                    -- Servers send the id of a user whom they know, or a made-up one and that there
                    -- is no profile to it ("Events captured with no context or explicit distinct_id
                    -- are marked as personless", posthog.com, Python). PostHog writes so of
                    -- identified events, too, where a project wants no profiles.
                    fields."$process_person_profile",
                    -- what runs in an app and says neither (before 2024-09: posthog-ios#172,
                    -- later in React Native: posthog-js#2147) may be anonymous
                    case
                        when
                            {{ matches(
                                'fields."$lib"',
                                "'^posthog-(ios|android|react-native|flutter|js-lite)'"
                            ) }}
                            then 'false'
                    end,
                    'true'
                ) != 'false'
                then sent_id
        end as user_id
    from with_ids

),

renamed as (

    select
        ---------- ids
        case
            when {{ not_blank('uuid') }} is not null
                then {{ stable_id(['_source_name', not_blank('uuid')]) }}
            -- without an id the content is the identity; the time is parsed, because Parquet and
            -- JSON lines spell it differently
            else {{ stable_id([
                '_source_name', "'content'", '"event"', 'distinct_id', 'event_at',
                "cast(properties as varchar)",
            ]) }}
        end as event_id,
        _source_name as source_name,
        'posthog' as source_kind,
        -- the id of a known user is no device
        coalesce(known_device_id, nullif(sent_id, user_id)) as device_id,
        user_id,
        {{ not_blank('fields."$session_id"') }} as tracker_session_id,
        {{ not_blank('fields."$pageview_id"') }} as page_view_id,
        {{ not_blank('fields.order_id') }} as order_id,
        {{ not_blank('fields.product_id') }} as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ not_blank('"event"') }} as source_event_name,
        case
            when fields."$lib" in ('web', 'js', 'posthog-js-lite') then 'web'
            when
                {{ matches('fields."$lib"', "'^posthog-(ios|android|react-native|flutter)'") }}
                then 'mobile'
            when {{ matches('fields."$lib"', "'^posthog-'") }} then 'server'
        end as platform,
        {{ not_blank('fields."$current_url"') }} as page_url,
        coalesce(
            {{ not_blank('fields.title') }},
            {{ not_blank('fields."$title"') }},
            {{ not_blank('fields."$screen_name"') }}
        ) as page_title,
        -- the tracker writes the absence of a referrer as a word
        nullif({{ not_blank('fields."$referrer"') }}, '$direct') as referrer_url,
        -- the web tracker repeats a campaign on the visitor's later events (posthog-js#477): where
        -- there is an address it alone says what campaign the event itself came from
        case
            when {{ not_blank('fields."$current_url"') }} is null
                then {{ not_blank('fields.utm_source') }}
        end as utm_source,
        case
            when {{ not_blank('fields."$current_url"') }} is null
                then {{ not_blank('fields.utm_medium') }}
        end as utm_medium,
        case
            when {{ not_blank('fields."$current_url"') }} is null
                then {{ not_blank('fields.utm_campaign') }}
        end as utm_campaign,
        case
            when {{ not_blank('fields."$current_url"') }} is null
                then {{ not_blank('fields.utm_term') }}
        end as utm_term,
        case
            when {{ not_blank('fields."$current_url"') }} is null
                then {{ not_blank('fields.utm_content') }}
        end as utm_content,
        cast(null as varchar) as click_id,
        cast(null as varchar) as click_id_type,
        coalesce(
            {{ not_blank('fields."$raw_user_agent"') }}, {{ not_blank('fields."$user_agent"') }}
        ) as user_agent,
        lower({{ not_blank('fields."$device_type"') }}) as device_category,
        {{ not_blank('fields."$browser"') }} as browser,
        coalesce({{ not_blank('fields."$os"') }}, {{ not_blank('fields."$os_name"') }})
            as operating_system,
        coalesce(
            {{ not_blank('fields."$browser_language"') }}, {{ not_blank('fields."$locale"') }}
        ) as language,
        coalesce(
            {{ not_blank('fields."$geoip_country_name"') }},
            {{ not_blank('fields."$geoip_country_code"') }}
        ) as country,
        {{ not_blank('fields."$geoip_subdivision_1_name"') }} as region,
        {{ not_blank('fields."$geoip_city_name"') }} as city,
        cast(null as varchar) as consent_analytics,
        cast(null as varchar) as consent_ads,
        upper({{ not_blank('fields.currency') }}) as currency,
        {{ not_blank('"timestamp"') }} as occurred_at_text,
        cast(null as varchar) as rejection_reason,
        -- without created_at and _inserted_at: the same event exported twice has the same content
        {{ json_from({
            'distinct_id': 'distinct_id',
            'person_id': 'person_id',
            'team_id': 'team_id',
            'properties': 'properties',
            'person_properties': 'person_properties',
            'elements_chain': 'elements_chain',
            'other_fields': '_other_fields',
        }) }} as properties,

        ---------- numerics
        -- any event may bring revenue, an order also as its total or value; of checkouts, payments
        -- and refunds the order's completion counts it
        case
            when
                not {{ matches(
                    '"event"', "'(?i)^(checkout|payment|coupon|order (refunded|cancelled|updated))'"
                ) }}
                then try_cast(
                        coalesce(
                            {{ not_blank('fields.revenue') }},
                            case
                                when {{ not_blank('fields.order_id') }} is not null
                                    then coalesce(
                                            {{ not_blank('fields.total') }},
                                            {{ not_blank('fields."value"') }}
                                        )
                            end
                        ) as decimal(18, 4)
                    )
        end as revenue,
        -- the tracker reports how long a page was open, not how long it was looked at
        cast(null as decimal(18, 3)) as engaged_seconds,
        -- the depth is that of the page before, which is the same page only when it is left
        case
            when event = '$pageleave'
                then try_cast(
                        round(
                            try_cast(
                                fields."$prev_pageview_max_scroll_percentage" as decimal(18, 6)
                            ) * 100
                        ) as integer
                    )
        end as scroll_percent,
        cast(null as bigint) as event_order,

        ---------- booleans
        false as is_partial,

        ---------- timestamps
        event_at as occurred_at,
        ingested_at as received_at,
        _loaded_at as loaded_at
    from with_user

)

select * from renamed
