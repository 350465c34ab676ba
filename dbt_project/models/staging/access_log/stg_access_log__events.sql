{%- set line = [
    'host', 'logname', 'remote_user', 'time', 'request', 'method', 'url', 'response', 'bytes',
    'referer', 'useragent',
] -%}

with

source as (

    select
        *,
        {{ line_occurrence(line) }} as occurrence
    from {{ source('raw', 'access_log_requests') }}

),

requests as (

    select
        *,
        host as address,
        nullif({{ not_blank('useragent') }}, '-') as agent,
        nullif({{ not_blank('remote_user') }}, '-') as user_id,
        coalesce(method, {{ extract_match('request', "'^([A-Z]+) \\S+'") }}) as http_method,
        coalesce(url, {{ extract_match('request', "'^[A-Z]+ (\\S+)'") }}) as target,
        target as page_url,
        try_cast(response as integer) as status,
        nullif({{ not_blank('referer') }}, '-') as referrer,
        {{ not_blank('time') }} as occurred_at_text,
        coalesce(
            {{ parse_log_timestamp('time') }}, {{ parse_timestamp('time', '_source_timezone') }}
        ) as occurred_at
    from source

),

renamed as (

    {{ request_events(
        'access_log',
        'requests',
        event_id=stable_id(['_source_name'] + line + ['occurrence']),
        properties={
            'method': 'http_method',
            'status': 'status',
            'bytes': 'try_cast(bytes as bigint)',
            'other_fields': '_other_fields',
        },
    ) }}

)

select * from renamed
