{%- set line = [
    'date', 'time', '"s-sitename"', '"s-computername"', '"s-ip"', '"cs-method"', '"cs-uri-stem"',
    '"cs-uri-query"', '"s-port"', '"cs-username"', '"c-ip"', '"cs-version"', '"cs(User-Agent)"',
    '"cs(Cookie)"', '"cs(Referer)"', '"cs-host"', '"sc-status"', '"sc-substatus"',
    '"sc-win32-status"', '"sc-bytes"', '"cs-bytes"', '"time-taken"', '_other_fields',
] -%}

with

source as (

    select
        *,
        {{ line_occurrence(line) }} as occurrence,
        -- Azure adds the id of its own log to the query
        coalesce(
            {{ extract_match('"cs-uri-query"', "'^(.*?)&?X-ARR-LOG-ID=[0-9a-fA-F-]+$'") }},
            case when "cs-uri-query" not like 'X-ARR-LOG-ID=%' then "cs-uri-query" end
        ) as query
    from {{ source('raw', 'iis_requests') }}

),

requests as (

    select
        *,
        "c-ip" as address,
        -- the server writes a space as a plus sign, and a plus sign as itself
        {{ not_blank('replace("cs(User-Agent)", \'+\', \' \')') }} as agent,
        {{ not_blank('"cs-username"') }} as user_id,
        "cs-method" as http_method,
        "cs-uri-stem" || coalesce('?' || query, '') as target,
        {{ request_url(
            "case when \"s-port\" = '443' then 'https' else 'http' end", '"cs-host"', 'target'
        ) }} as page_url,
        try_cast("sc-status" as integer) as status,
        {{ not_blank('"cs(Referer)"') }} as referrer,
        date || ' ' || time as occurred_at_text,
        -- UTC whatever the server's zone
        {{ parse_timestamp('occurred_at_text', "'UTC'") }} as occurred_at
    from source

),

renamed as (

    {{ request_events(
        'iis',
        'requests',
        event_id=stable_id(['_source_name'] + line + ['occurrence']),
        properties={
            'method': 'http_method',
            'status': 'status',
            'substatus': 'try_cast("sc-substatus" as integer)',
            'bytes': 'try_cast("sc-bytes" as bigint)',
            'milliseconds': 'try_cast("time-taken" as bigint)',
            'site': '"s-sitename"',
            'other_fields': '_other_fields',
        },
    ) }}

)

select * from renamed
