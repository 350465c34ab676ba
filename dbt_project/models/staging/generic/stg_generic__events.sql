with

source as (

    select * from {{ source('raw', 'generic_events') }}

),

with_clocks as (

    select
        *,
        {{ parse_timestamp('occurred_at', '_source_timezone') }} as client_occurred_at,
        {{ parse_timestamp('received_at', '_source_timezone') }} as collector_received_at,
        {{ parse_timestamp('sent_at', '_source_timezone') }} as client_sent_at
    from source

),

renamed as (

    select
        ---------- ids
        case
            when {{ not_blank('event_id') }} is not null
                then {{ stable_id(['_source_name', not_blank('event_id')]) }}
            -- without an id the content is the identity, wherever the record stands; a previous id
            -- only where there is one, so that the ids of other records stay as they were
            else {{ stable_id([
                '_source_name', "'content'", 'event_name', 'occurred_at', 'received_at', 'sent_at',
                'device_id', 'user_id', 'session_id', 'page_view_id', 'platform', 'page_url',
                'page_title', 'referrer_url', 'utm_source', 'utm_medium', 'utm_campaign',
                'utm_term', 'utm_content', 'user_agent', 'device_category', 'browser',
                'operating_system', 'language', 'country', 'region', 'city', 'order_id', 'revenue',
                'currency', 'item_id', 'engaged_seconds', 'scroll_percent',
                "coalesce(cast(_other_fields as varchar), chr(30))
                || coalesce(chr(31) || previous_id, '')",
            ]) }}
        end as event_id,
        _source_name as source_name,
        'generic' as source_kind,
        {{ not_blank('device_id') }} as device_id,
        {{ not_blank('user_id') }} as user_id,
        {{ not_blank('session_id') }} as tracker_session_id,
        {{ not_blank('page_view_id') }} as page_view_id,
        {{ not_blank('order_id') }} as order_id,
        {{ not_blank('item_id') }} as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ not_blank('event_name') }} as source_event_name,
        lower({{ not_blank('platform') }}) as platform,
        {{ not_blank('page_url') }} as page_url,
        {{ not_blank('page_title') }} as page_title,
        {{ not_blank('referrer_url') }} as referrer_url,
        {{ not_blank('utm_source') }} as utm_source,
        {{ not_blank('utm_medium') }} as utm_medium,
        {{ not_blank('utm_campaign') }} as utm_campaign,
        {{ not_blank('utm_term') }} as utm_term,
        {{ not_blank('utm_content') }} as utm_content,
        cast(null as varchar) as click_id,
        cast(null as varchar) as click_id_type,
        {{ not_blank('user_agent') }} as user_agent,
        lower({{ not_blank('device_category') }}) as device_category,
        {{ not_blank('browser') }} as browser,
        {{ not_blank('operating_system') }} as operating_system,
        {{ not_blank('language') }} as language,
        {{ not_blank('country') }} as country,
        {{ not_blank('region') }} as region,
        {{ not_blank('city') }} as city,
        cast(null as varchar) as consent_analytics,
        cast(null as varchar) as consent_ads,
        upper({{ not_blank('currency') }}) as currency,
        {{ not_blank('occurred_at') }} as occurred_at_text,
        cast(null as varchar) as rejection_reason,
        _other_fields as properties,

        ---------- numerics
        try_cast(revenue as decimal(18, 4)) as revenue,
        try_cast(engaged_seconds as decimal(18, 3)) as engaged_seconds,
        try_cast(try_cast(scroll_percent as decimal(18, 3)) as integer) as scroll_percent,
        cast(null as bigint) as event_order,

        ---------- booleans
        false as is_partial,

        ---------- timestamps
        -- received − (sent − occurred): the client's clock may be wrong, its differences are not
        coalesce(
            collector_received_at - (client_sent_at - client_occurred_at), client_occurred_at
        ) as occurred_at,
        collector_received_at as received_at,
        _loaded_at as loaded_at
    from with_clocks

)

select * from renamed
