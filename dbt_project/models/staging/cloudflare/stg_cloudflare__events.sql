{%- set line = [
    '"EdgeStartTimestamp"', '"EdgeEndTimestamp"', '"ClientIP"', '"ClientRequestHost"',
    '"ClientRequestMethod"', '"ClientRequestURI"', '"ClientRequestPath"',
    '"ClientRequestUserAgent"', '"ClientRequestReferer"', '"EdgeResponseStatus"',
    '"EdgeResponseBytes"', '"RayID"', '_other_fields',
] -%}

with

source as (

    select
        *,
        {{ line_occurrence(line) }} as occurrence,
        {{ not_blank('"RayID"') }} as ray_id,
        {{ not_blank('"ClientIP"') }} as address,
        {{ not_blank('"ClientRequestUserAgent"') }} as agent,
        cast(null as varchar) as user_id,
        {{ not_blank('"ClientRequestMethod"') }} as http_method,
        coalesce(
            {{ not_blank('"ClientRequestURI"') }}, {{ not_blank('"ClientRequestPath"') }}
        ) as target,
        {{ not_blank('"ClientRequestHost"') }} as host,
        try_cast(edgeresponsestatus as integer) as status,
        {{ not_blank('"ClientRequestReferer"') }} as referrer,
        {{ not_blank('"EdgeStartTimestamp"') }} as occurred_at_text,
        {{ not_blank('"ClientRequestSource"') }} as asked_by
    from {{ source('raw', 'cloudflare_requests') }}

),

requests as (

    select
        *,
        {{ request_url(
            "coalesce(" ~ not_blank('"ClientRequestScheme"') ~ ", 'https')", 'host', 'target'
        ) }} as page_url,
        {{ parse_timestamp('occurred_at_text', "'UTC'") }} as occurred_at,
        -- the vendor does not promise that a ray's id is that of one request only
        case
            when ray_id is not null
                then {{ stable_id(['_source_name', 'ray_id', 'http_method', 'host', 'target']) }}
            else {{ stable_id(['_source_name'] + line + ['occurrence']) }}
        end as request_id,
        -- a worker's own fetch, a health check or a purge is nobody's visit
        coalesce(asked_by, 'eyeball') = 'eyeball' as is_visitors,
        -- the line by which the vendor tries out a destination, or another data set's
        coalesce(ray_id, http_method, target, occurred_at_text) is null as is_other_record
    from source

),

-- of countries, XX is an unknown one and T1 the Tor network
renamed as (

    {{ request_events(
        'cloudflare',
        'requests',
        event_id='request_id',
        known={
            'device_category': "nullif(" ~ not_blank('"ClientDeviceType"') ~ ", 'unknown')",
            'country': "case when upper(\"ClientCountry\") not in ('XX', 'T1') then upper("
            ~ not_blank('"ClientCountry"') ~ ") end",
            'region': not_blank('"ClientRegionCode"'),
            'city': not_blank('"ClientCity"'),
        },
        is_visit='is_visitors',
        is_other_record='is_other_record',
        properties={
            'method': 'http_method',
            'status': 'status',
            'bytes': 'try_cast("EdgeResponseBytes" as bigint)',
            'source': 'asked_by',
            'content_type': not_blank('"EdgeResponseContentType"'),
            'cache': not_blank('"CacheCacheStatus"'),
            'bot_score': 'try_cast("BotScore" as integer)',
            'other_fields': '_other_fields',
        },
    ) }}

)

select * from renamed
