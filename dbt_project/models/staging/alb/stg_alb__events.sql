{%- set line = [
    'type', 'time', 'elb', 'client', 'target_address', 'request_processing_time',
    'target_processing_time', 'response_processing_time', 'elb_status_code', 'target_status_code',
    'received_bytes', 'sent_bytes', 'request', 'user_agent', 'ssl_cipher', 'ssl_protocol',
    'target_group_arn', 'trace_id', 'domain_name', 'chosen_cert_arn', 'matched_rule_priority',
    'request_creation_time', 'actions_executed', 'redirect_url', 'error_reason', 'later_fields',
] -%}

with

source as (

    select
        *,
        {{ line_occurrence(line) }} as occurrence,
        -- an address as the client sent it may hold a space
        {{ extract_match('request', "'^[A-Z]+ (.+) HTTP/[0-9.]+$'") }} as url
    from {{ source('raw', 'alb_requests') }}

),

requests as (

    select
        *,
        {{ extract_match('client', "'^(.*):[0-9]+$'") }} as address,
        nullif({{ not_blank('user_agent') }}, '-') as agent,
        cast(null as varchar) as user_id,
        {{ extract_match('request', "'^([A-Z]+) '") }} as http_method,
        url as target,
        -- without the port that goes without saying
        case
            when {{ matches('url', "'^(http://[^/?#]+:80|https://[^/?#]+:443)([/?#]|$)'") }}
                then
                    {{ extract_match('url', "'^(https?://[^/?#]+):[0-9]+'") }}
                    || coalesce({{ extract_match('url', "'^https?://[^/?#]+(.+)$'") }}, '')
            else url
        end as page_url,
        try_cast(elb_status_code as integer) as status,
        -- the log has none, so that no visit can be traced to a channel but by its address
        cast(null as varchar) as referrer,
        -- when the request came; `time` is when it was answered, for a web socket when it closed
        coalesce(nullif(request_creation_time, '-'), time) as occurred_at_text,
        {{ parse_timestamp('occurred_at_text', "'UTC'") }} as occurred_at
    from source

),

renamed as (

    {{ request_events(
        'alb',
        'requests',
        event_id=stable_id(['_source_name'] + line + ['occurrence']),
        properties={
            'method': 'http_method',
            'status': 'status',
            'bytes': 'try_cast(sent_bytes as bigint)',
            'type': 'type',
            'target': "nullif(target_address, '-')",
            'trace_id': "nullif(trace_id, '-')",
            'actions': "nullif(actions_executed, '-')",
            'error_reason': "nullif(error_reason, '-')",
            'later_fields': 'later_fields',
        },
    ) }}

)

select * from renamed
