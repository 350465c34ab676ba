with

source as (

    select
        *,
        -- a context that is no JSON rejects the record; nothing below may trip over it
        case when {{ is_json('contexts') }} then contexts end as valid_contexts,
        case when {{ is_json('unstruct_event') }} then unstruct_event end as valid_unstruct_event
    from {{ source('raw', 'snowplow_events') }}

),

with_contexts as (

    select
        *,
        {{ json_text('valid_unstruct_event', '$.data.data.type') }} as action_type,
        {{ first_element(json_elements_with_prefix(
            'valid_contexts', '$.data', '$.schema',
            'iglu:com.snowplowanalytics.snowplow/web_page/'
        )) }} as web_page,
        {{ first_element(json_elements_with_prefix(
            'valid_contexts', '$.data', '$.schema',
            'iglu:com.snowplowanalytics.snowplow/client_session/'
        )) }} as client_session,
        {{ first_element(json_elements_with_prefix(
            'valid_contexts', '$.data', '$.schema',
            'iglu:com.snowplowanalytics.snowplow.ecommerce/transaction/'
        )) }} as commerce_transaction,
        {{ first_element(json_elements_with_prefix(
            'valid_contexts', '$.data', '$.schema',
            'iglu:com.snowplowanalytics.snowplow.ecommerce/cart/'
        )) }} as commerce_cart
    from source

),

renamed as (

    select
        ---------- ids
        {{ stable_id(['_source_name', 'event_id']) }} as event_id,
        _source_name as source_name,
        'snowplow' as source_kind,
        coalesce(
            {{ not_blank('domain_userid') }},
            {{ not_blank(json_text('client_session', '$.data.userId')) }},
            {{ not_blank('network_userid') }}
        ) as device_id,
        {{ not_blank('user_id') }} as user_id,
        coalesce(
            {{ not_blank('domain_sessionid') }},
            {{ not_blank(json_text('client_session', '$.data.sessionId')) }}
        ) as tracker_session_id,
        {{ not_blank(json_text('web_page', '$.data.id')) }} as page_view_id,
        coalesce(
            {{ not_blank('tr_orderid') }},
            {{ not_blank('ti_orderid') }},
            {{ not_blank(json_text('commerce_transaction', '$.data.transaction_id')) }}
        ) as order_id,
        {{ not_blank('ti_sku') }} as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        -- a commerce action and a structured event are named by what was done, not by their schema
        coalesce(
            case
                when event_name = 'snowplow_ecommerce_action' then {{ not_blank('action_type') }}
            end,
            case when event = 'struct' then {{ not_blank('se_action') }} end,
            {{ not_blank('event_name') }},
            {{ not_blank('event') }}
        ) as source_event_name,
        case lower({{ not_blank('platform') }})
            when 'mob' then 'mobile' when 'srv' then 'server' else
                lower({{ not_blank('platform') }})
        end as platform,
        {{ not_blank('page_url') }} as page_url,
        {{ not_blank('page_title') }} as page_title,
        {{ not_blank('page_referrer') }} as referrer_url,
        {{ not_blank('mkt_source') }} as utm_source,
        {{ not_blank('mkt_medium') }} as utm_medium,
        {{ not_blank('mkt_campaign') }} as utm_campaign,
        {{ not_blank('mkt_term') }} as utm_term,
        {{ not_blank('mkt_content') }} as utm_content,
        {{ not_blank('mkt_clickid') }} as click_id,
        case lower({{ not_blank('mkt_network') }})
            when 'google' then 'gclid'
            when 'microsoft' then 'msclkid'
            when 'doubleclick' then 'dclid'
        end as click_id_type,
        {{ not_blank('useragent') }} as user_agent,
        lower({{ not_blank('dvce_type') }}) as device_category,
        coalesce({{ not_blank('br_family') }}, {{ not_blank('br_name') }}) as browser,
        coalesce({{ not_blank('os_family') }}, {{ not_blank('os_name') }}) as operating_system,
        {{ not_blank('br_lang') }} as language,
        {{ not_blank('geo_country') }} as country,
        coalesce({{ not_blank('geo_region_name') }}, {{ not_blank('geo_region') }}) as region,
        {{ not_blank('geo_city') }} as city,
        cast(null as varchar) as consent_analytics,
        cast(null as varchar) as consent_ads,
        upper(coalesce(
            {{ not_blank('tr_currency') }},
            {{ not_blank('ti_currency') }},
            {{ not_blank(json_text('commerce_transaction', '$.data.currency')) }},
            {{ not_blank(json_text('commerce_cart', '$.data.currency')) }}
        )) as currency,
        coalesce(
            {{ not_blank('true_tstamp') }},
            {{ not_blank('derived_tstamp') }},
            {{ not_blank('collector_tstamp') }}
        ) as occurred_at_text,
        case
            when not {{ is_json('contexts') }} or not {{ is_json('unstruct_event') }}
                then 'invalid_contexts'
            when {{ not_blank('event_id') }} is null
                or not {{ matches(
                    'event_id', "'^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'"
                ) }}
                then 'invalid_event_id'
        end as rejection_reason,
        {{ json_from({
            'app_id': 'app_id',
            'event': 'event',
            'event_vendor': 'event_vendor',
            'event_name': 'event_name',
            'event_version': 'event_version',
            'name_tracker': 'name_tracker',
            'v_tracker': 'v_tracker',
            'domain_sessionidx': 'domain_sessionidx',
            'network_userid': 'network_userid',
            'contexts': 'cast(valid_contexts as json)',
            'unstruct_event': 'cast(valid_unstruct_event as json)',
            'derived_contexts': "case when " ~ is_json('derived_contexts')
                ~ " then cast(derived_contexts as json) end",
            'se_category': 'se_category',
            'se_action': 'se_action',
            'se_label': 'se_label',
            'se_property': 'se_property',
            'se_value': 'se_value',
            'refr_medium': 'refr_medium',
            'refr_source': 'refr_source',
            'refr_term': 'refr_term',
            'os_timezone': 'os_timezone',
            'geo_timezone': 'geo_timezone',
            'other_fields': '_other_fields',
        }) }} as properties,

        ---------- numerics
        -- the error of a transaction carries what was not paid: the transaction alone counts, as in
        -- the vendor's dbt-snowplow-ecommerce; the items of an order are in its total
        try_cast(
            coalesce(
                {{ not_blank('tr_total') }},
                case
                    when action_type = 'transaction'
                        then {{ json_text('commerce_transaction', '$.data.revenue') }}
                end
            ) as decimal(18, 4)
        ) as revenue,
        -- the vendor's tracker pings at a fixed interval while the page has attention
        case
            when event = 'page_ping' then cast({{ var('page_ping_seconds') }} as decimal(18, 3))
        end as engaged_seconds,
        -- a page that was not scrolled was still seen as far as the viewport reaches
        case
            when
                try_cast(br_viewheight as decimal(18, 3)) is not null
                and try_cast(doc_height as decimal(18, 3)) > 0
                then cast(least(100, greatest(0, round(
                        100.0
                        * (
                            coalesce(try_cast(pp_yoffset_max as decimal(18, 3)), 0)
                            + try_cast(br_viewheight as decimal(18, 3))
                        )
                        / try_cast(doc_height as decimal(18, 3))
                    ))) as integer)
        end as scroll_percent,
        cast(null as bigint) as event_order,

        ---------- booleans
        false as is_partial,

        ---------- timestamps
        {{ parse_timestamp(
            "coalesce(" ~ not_blank('true_tstamp') ~ ", " ~ not_blank('derived_tstamp') ~ ", "
            ~ not_blank('collector_tstamp') ~ ")", "'UTC'"
        ) }} as occurred_at,
        {{ parse_timestamp('collector_tstamp', "'UTC'") }} as received_at,
        _loaded_at as loaded_at
    from with_contexts

)

select * from renamed
