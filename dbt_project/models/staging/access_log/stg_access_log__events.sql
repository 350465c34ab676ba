with

source as (

    select
        *,
        -- a log has no event id and a clock of one second: identical lines within one file are
        -- hits of their own, told apart by their count; in another file they are the same hits
        row_number() over (
            partition by
                _source_name, _file_id, host, logname, remote_user, time, request, method, url,
                response, bytes, referer, useragent
            order by _row_number
        ) as occurrence
    from {{ source('raw', 'access_log_requests') }}

),

unpacked as (

    select
        *,
        coalesce(
            method, {{ extract_match('request', "'^([A-Z]+) \\S+'") }}
        ) as http_method,
        coalesce(url, {{ extract_match('request', "'^[A-Z]+ (\\S+)'") }}) as target,
        try_cast(response as integer) as status,
        nullif({{ not_blank('referer') }}, '-') as referrer,
        nullif({{ not_blank('useragent') }}, '-') as agent
    from source

),

renamed as (

    select
        ---------- ids
        {{ stable_id([
            '_source_name', 'host', 'logname', 'remote_user', 'time', 'request', 'method', 'url',
            'response', 'bytes', 'referer', 'useragent', 'occurrence',
        ]) }} as event_id,
        _source_name as source_name,
        'access_log' as source_kind,
        -- a log knows no cookie: one address with one browser stands for one device
        {{ stable_id(['host', 'agent']) }} as device_id,
        nullif({{ not_blank('remote_user') }}, '-') as user_id,
        cast(null as varchar) as tracker_session_id,
        cast(null as varchar) as page_view_id,
        cast(null as varchar) as order_id,
        cast(null as varchar) as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        case
            when status >= 400 then 'failed_request'
            when
                {{ matches(
                    "lower(" ~ url_path('target') ~ ")",
                    "'\\.(" ~ var('asset_extensions') | join('|') ~ ")$'"
                ) }} then 'asset_request'
            when http_method = 'GET' and (status between 200 and 299 or status = 304)
                then 'page_view'
            else 'other_request'
        end as source_event_name,
        'web' as platform,
        target as page_url,
        cast(null as varchar) as page_title,
        referrer as referrer_url,
        cast(null as varchar) as utm_source,
        cast(null as varchar) as utm_medium,
        cast(null as varchar) as utm_campaign,
        cast(null as varchar) as utm_term,
        cast(null as varchar) as utm_content,
        cast(null as varchar) as click_id,
        cast(null as varchar) as click_id_type,
        agent as user_agent,
        cast(null as varchar) as device_category,
        cast(null as varchar) as browser,
        cast(null as varchar) as operating_system,
        cast(null as varchar) as language,
        cast(null as varchar) as country,
        cast(null as varchar) as region,
        cast(null as varchar) as city,
        cast(null as varchar) as consent_analytics,
        cast(null as varchar) as consent_ads,
        cast(null as varchar) as currency,
        {{ not_blank('time') }} as occurred_at_text,
        case when target is null or status is null then 'invalid_request' end as rejection_reason,
        {{ json_from({
            'method': 'http_method',
            'status': 'status',
            'bytes': 'try_cast(bytes as bigint)',
            'other_fields': '_other_fields',
        }) }} as properties,

        ---------- numerics
        cast(null as decimal(18, 4)) as revenue,
        cast(null as decimal(18, 3)) as engaged_seconds,
        cast(null as integer) as scroll_percent,
        -- within one second, the order in the file
        _row_number as event_order,

        ---------- booleans
        false as is_partial,

        ---------- timestamps
        coalesce(
            {{ parse_log_timestamp('time') }}, {{ parse_timestamp('time', '_source_timezone') }}
        ) as occurred_at,
        cast(null as timestamp) as received_at,
        _loaded_at as loaded_at
    from unpacked

)

select * from renamed
