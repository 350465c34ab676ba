with

source as (

    select
        *,
        {{ json_of_tagged_pairs('attributes') }} as event_attributes,
        {{ json_of_tagged_pairs(json_text('resource', '$.attributes')) }}
            as resource_attributes,
        {{ json_of_tagged_value('body') }} as event_body
    from {{ source('raw', 'otlp_log_records') }}

),

with_fields as (

    select
        *,
        {{ json_struct('event_attributes', {
            'event.name': 'VARCHAR', 'event.domain': 'VARCHAR', 'log.record.uid': 'VARCHAR',
            'session.id': 'VARCHAR', 'enduser.id': 'VARCHAR', 'enduser.pseudo.id': 'VARCHAR',
            'user.id': 'VARCHAR', 'device.id': 'VARCHAR', 'app.installation.id': 'VARCHAR',
            'url.full': 'VARCHAR', 'page.title': 'VARCHAR', 'page.referrer': 'VARCHAR',
            'http.request.header.referer': 'VARCHAR', 'page.view.id': 'VARCHAR',
            'browser.page.instance_id': 'VARCHAR', 'browser.navigation.hash_change': 'VARCHAR',
            'user_agent.original': 'VARCHAR', 'user_agent.name': 'VARCHAR',
            'browser.language': 'VARCHAR', 'browser.mobile': 'VARCHAR',
            'geo.country.iso_code': 'VARCHAR', 'geo.region.iso_code': 'VARCHAR',
            'geo.locality.name': 'VARCHAR', 'transaction_id': 'VARCHAR', 'value': 'VARCHAR',
            'currency': 'VARCHAR', 'item_id': 'VARCHAR', 'app.screen.name': 'VARCHAR',
        }) }} as attribute,
        {{ json_struct('resource_attributes', {
            'session.id': 'VARCHAR', 'enduser.id': 'VARCHAR', 'enduser.pseudo.id': 'VARCHAR',
            'user.id': 'VARCHAR', 'device.id': 'VARCHAR', 'app.installation.id': 'VARCHAR',
            'user_agent.original': 'VARCHAR', 'user_agent.name': 'VARCHAR',
            'browser.language': 'VARCHAR', 'browser.mobile': 'VARCHAR',
            'browser.platform': 'VARCHAR', 'os.name': 'VARCHAR', 'telemetry.sdk.language': 'VARCHAR',
        }) }} as of_resource,
        {{ json_struct('event_body', {
            'url': 'VARCHAR', 'title': 'VARCHAR', 'referrer': 'VARCHAR',
        }) }} as in_body
    from source

),

with_names as (

    select
        *,
        -- a field of its own since 2025, an attribute before, and once with a domain
        coalesce(
            {{ not_blank('"eventName"') }},
            case
                when {{ not_blank('attribute."event.domain"') }} is not null
                    then attribute."event.domain" || '.' || attribute."event.name"
                else {{ not_blank('attribute."event.name"') }}
            end
        ) as event_name,
        coalesce(
            {{ not_blank('attribute."session.id"') }}, {{ not_blank('of_resource."session.id"') }}
        ) as session_id,
        -- 0 says that it is not known
        coalesce(
            nullif({{ not_blank('"timeUnixNano"') }}, '0'),
            nullif({{ not_blank('"observedTimeUnixNano"') }}, '0')
        ) as time_text
    from with_fields

),

renamed as (

    select
        ---------- ids
        case
            when {{ not_blank('attribute."log.record.uid"') }} is not null
                then {{ stable_id(['_source_name', 'attribute."log.record.uid"']) }}
            -- without an id the content is the identity: an exporter that tries again repeats it
            else {{ stable_id([
                '_source_name', "'content'", '"timeUnixNano"',
                'case when nullif("timeUnixNano", \'0\') is null then "observedTimeUnixNano" end',
                'event_name', 'attributes', 'body', 'resource', 'scope', '"traceId"', '"spanId"',
            ]) }}
        end as event_id,
        _source_name as source_name,
        'otlp' as source_kind,
        coalesce(
            {{ not_blank('attribute."enduser.pseudo.id"') }},
            {{ not_blank('of_resource."enduser.pseudo.id"') }},
            {{ not_blank('attribute."app.installation.id"') }},
            {{ not_blank('of_resource."app.installation.id"') }},
            {{ not_blank('attribute."device.id"') }},
            {{ not_blank('of_resource."device.id"') }},
            -- a browser knows no device unless the site gives it one: then a session is one
            'session:' || session_id
        ) as device_id,
        coalesce(
            {{ not_blank('attribute."enduser.id"') }},
            {{ not_blank('attribute."user.id"') }},
            {{ not_blank('of_resource."enduser.id"') }},
            {{ not_blank('of_resource."user.id"') }}
        ) as user_id,
        session_id as tracker_session_id,
        coalesce(
            {{ not_blank('attribute."browser.page.instance_id"') }},
            {{ not_blank('attribute."page.view.id"') }}
        ) as page_view_id,
        {{ not_blank('attribute.transaction_id') }} as order_id,
        {{ not_blank('attribute.item_id') }} as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        case
            -- a jump within the page is no view of another
            when
                event_name = 'browser.navigation'
                and attribute."browser.navigation.hash_change" = 'true'
                then 'browser.navigation hash change'
            else event_name
        end as source_event_name,
        case
            when
                of_resource."telemetry.sdk.language" = 'webjs'
                or coalesce(
                    of_resource."browser.platform", of_resource."browser.language",
                    attribute."browser.language", attribute."url.full", in_body.url
                ) is not null
                then 'web'
            when
                coalesce(of_resource."device.id", of_resource."app.installation.id") is not null
                then 'mobile'
        end as platform,
        -- of a loaded resource the address is that of the resource
        case
            when event_name != 'browser.resource_timing' or event_name is null
                then coalesce(
                        {{ not_blank('attribute."url.full"') }}, {{ not_blank('in_body.url') }}
                    )
        end as page_url,
        coalesce(
            {{ not_blank('attribute."page.title"') }},
            {{ not_blank('in_body.title') }},
            {{ not_blank('attribute."app.screen.name"') }}
        ) as page_title,
        coalesce(
            {{ not_blank('attribute."page.referrer"') }},
            {{ not_blank('in_body.referrer') }},
            {{ not_blank('attribute."http.request.header.referer"') }}
        ) as referrer_url,
        cast(null as varchar) as utm_source,
        cast(null as varchar) as utm_medium,
        cast(null as varchar) as utm_campaign,
        cast(null as varchar) as utm_term,
        cast(null as varchar) as utm_content,
        cast(null as varchar) as click_id,
        cast(null as varchar) as click_id_type,
        coalesce(
            {{ not_blank('attribute."user_agent.original"') }},
            {{ not_blank('of_resource."user_agent.original"') }}
        ) as user_agent,
        -- false of a tablet as of a desktop
        case
            when 'true' in (attribute."browser.mobile", of_resource."browser.mobile") then 'mobile'
        end as device_category,
        coalesce(
            {{ not_blank('attribute."user_agent.name"') }},
            {{ not_blank('of_resource."user_agent.name"') }}
        ) as browser,
        coalesce(
            {{ not_blank('of_resource."os.name"') }},
            {{ not_blank('of_resource."browser.platform"') }}
        ) as operating_system,
        coalesce(
            {{ not_blank('attribute."browser.language"') }},
            {{ not_blank('of_resource."browser.language"') }}
        ) as language,
        {{ not_blank('attribute."geo.country.iso_code"') }} as country,
        {{ not_blank('attribute."geo.region.iso_code"') }} as region,
        {{ not_blank('attribute."geo.locality.name"') }} as city,
        cast(null as varchar) as consent_analytics,
        cast(null as varchar) as consent_ads,
        upper({{ not_blank('attribute.currency') }}) as currency,
        time_text as occurred_at_text,
        cast(null as varchar) as rejection_reason,
        {{ json_from({
            'attributes': 'event_attributes',
            'body': 'event_body',
            'resource': 'resource_attributes',
            'scope': 'scope',
            'severityNumber': '"severityNumber"',
            'severityText': '"severityText"',
            'traceId': '"traceId"',
            'spanId': '"spanId"',
            'observedTimeUnixNano': '"observedTimeUnixNano"',
            'other_fields': '_other_fields',
        }) }} as properties,

        ---------- numerics
        case
            when attribute.transaction_id is not null
                then try_cast(attribute.value as decimal(18, 4))
        end as revenue,
        cast(null as decimal(18, 3)) as engaged_seconds,
        cast(null as integer) as scroll_percent,
        cast(null as bigint) as event_order,

        ---------- booleans
        false as is_partial,

        ---------- timestamps
        {{ parse_timestamp('time_text', "'UTC'") }} as occurred_at,
        -- "observed" is by the clock of the same browser, not of a collector
        cast(null as timestamp) as received_at,
        _loaded_at as loaded_at
    from with_names

)

select * from renamed
