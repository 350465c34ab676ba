{#-
    What the kinds of web-server and CDN logs share. A log knows requests, not events: these macros
    say which request is which event, whose it is, and when two lines are the same one.
-#}

{#- A log may have no request id, and a clock of one second: identical lines within one file are
    hits of their own, told apart by their count; in another file they are the same hits. By the
    columns themselves: by a hash of them it takes twice as long. -#}
{% macro line_occurrence(line) -%}
    row_number() over (
        partition by _source_name, _file_id, {{ line | join(', ') }} order by _row_number
    )
{%- endmacro %}

{#- The whole address where the host is known, else the path alone. -#}
{% macro request_url(scheme, host, target) -%}
    case
        when {{ host }} is not null and {{ target }} like '/%'
            then {{ scheme }} || '://' || lower({{ host }}) || {{ target }}
        else {{ target }}
    end
{%- endmacro %}

{#- Not decoded further than by %xx: a plus sign is one. What cannot be decoded stays as it is. -#}
{% macro percent_decoded(text) -%}
    coalesce({{ url_decoded("replace(" ~ text ~ ", '+', '%2B')") }}, {{ text }})
{%- endmacro %}

{#- Which event a request is. `is_visit` is a condition that rules out what nobody asked for. -#}
{% macro request_name(is_visit) -%}
    case
        when status >= 400 then 'failed_request'
        when
            {{ matches(
                "lower(" ~ url_path('target') ~ ")",
                "'\\.(" ~ var('asset_extensions') | join('|') ~ ")$'"
            ) }} then 'asset_request'
        when
            http_method = 'GET' and (status between 200 and 299 or status = 304)
            {%- if is_visit %} and {{ is_visit }}{% endif %}
            then 'page_view'
        else 'other_request'
    end
{%- endmacro %}

{#-
    The event contract from `requests`, which has these columns besides the loader's own: address,
    agent, user_id, http_method, target, status, page_url, referrer, occurred_at_text, occurred_at.
    `known` gives the columns of the contract that only some logs fill; `is_other_record` is true of
    what is no request at all.
-#}
{% macro request_events(
    kind, requests, event_id, properties, known={}, is_visit=none, is_other_record=none
) -%}
select
    ---------- ids
    {{ event_id }} as event_id,
    _source_name as source_name,
    '{{ kind }}' as source_kind,
    -- a log knows no cookie: one address with one browser stands for one device, on every host of
    -- the source, for they are one site
    {{ stable_id(['address', 'agent']) }} as device_id,
    user_id,
    cast(null as varchar) as tracker_session_id,
    cast(null as varchar) as page_view_id,
    cast(null as varchar) as order_id,
    cast(null as varchar) as item_id,
    _file_id as file_id,
    _row_number as row_number,

    ---------- strings
    {{ request_name(is_visit) }} as source_event_name,
    'web' as platform,
    page_url,
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
    {{ known.get('device_category', 'cast(null as varchar)') }} as device_category,
    cast(null as varchar) as browser,
    cast(null as varchar) as operating_system,
    cast(null as varchar) as language,
    {{ known.get('country', 'cast(null as varchar)') }} as country,
    {{ known.get('region', 'cast(null as varchar)') }} as region,
    {{ known.get('city', 'cast(null as varchar)') }} as city,
    cast(null as varchar) as consent_analytics,
    cast(null as varchar) as consent_ads,
    cast(null as varchar) as currency,
    occurred_at_text,
    case
        {% if is_other_record -%}
        when {{ is_other_record }} then 'unknown_record_type'
        {% endif -%}
        when target is null or status is null then 'invalid_request'
    end as rejection_reason,
    {{ json_from(properties) }} as properties,

    ---------- numerics
    cast(null as decimal(18, 4)) as revenue,
    cast(null as decimal(18, 3)) as engaged_seconds,
    cast(null as integer) as scroll_percent,
    -- within one instant, the order in the file
    _row_number as event_order,

    ---------- booleans
    false as is_partial,

    ---------- timestamps
    occurred_at,
    cast(null as timestamp) as received_at,
    _loaded_at as loaded_at
from {{ requests }}
{%- endmacro %}
