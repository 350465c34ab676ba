{%- set line = [
    'date', 'time', '"x-edge-location"', '"sc-bytes"', '"c-ip"', '"cs-method"', '"cs(Host)"',
    '"cs-uri-stem"', '"sc-status"', '"cs(Referer)"', '"cs(User-Agent)"', '"cs-uri-query"',
    '"cs(Cookie)"', '"x-edge-result-type"', '"x-edge-request-id"', '"x-host-header"',
    '"cs-protocol"', '"cs-bytes"', '"time-taken"', '"x-forwarded-for"', '"c-port"', '_other_fields',
] -%}

with

source as (

    select
        *,
        {{ line_occurrence(line) }} as occurrence,
        -- the log encodes every field once
        {{ percent_decoded('"cs(User-Agent)"') }} as agent_once_decoded
    from {{ source('raw', 'cloudfront_requests') }}

),

requests as (

    select
        *,
        "c-ip" as address,
        -- and for years it encoded the agent twice; one of a single word holds no encoded space
        {{ not_blank(
            "case when contains(agent_once_decoded, '%20') and not contains(agent_once_decoded, ' ')"
            ~ " then " ~ percent_decoded('agent_once_decoded') ~ " else agent_once_decoded end"
        ) }} as agent,
        cast(null as varchar) as user_id,
        "cs-method" as http_method,
        {{ percent_decoded('"cs-uri-stem"') }}
        || coalesce('?' || {{ percent_decoded('"cs-uri-query"') }}, '') as target,
        -- the host that was asked for; the distribution's own name where the client named none
        {{ request_url(
            "coalesce(\"cs-protocol\", 'https')", 'coalesce("x-host-header", "cs(Host)")', 'target'
        ) }} as page_url,
        try_cast("sc-status" as integer) as status,
        {{ not_blank(percent_decoded('"cs(Referer)"')) }} as referrer,
        date || ' ' || time as occurred_at_text,
        {{ parse_timestamp('occurred_at_text', "'UTC'") }} as occurred_at,
        case
            when "x-edge-request-id" is not null
                then {{ stable_id(['_source_name', '"x-edge-request-id"']) }}
            else {{ stable_id(['_source_name'] + line + ['occurrence']) }}
        end as request_id
    from source

),

renamed as (

    {{ request_events(
        'cloudfront',
        'requests',
        event_id='request_id',
        properties={
            'method': 'http_method',
            'status': 'status',
            'bytes': 'try_cast("sc-bytes" as bigint)',
            'seconds': 'try_cast("time-taken" as decimal(18, 3))',
            'result': '"x-edge-result-type"',
            'content_type': percent_decoded('"sc-content-type"'),
            'edge': '"x-edge-location"',
            'other_fields': '_other_fields',
        },
    ) }}

)

select * from renamed
