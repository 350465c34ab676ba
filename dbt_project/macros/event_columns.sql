{#- The event contract: what every stg_<kind>__events delivers, and what all after it may rely on. #}
{% macro event_columns() %}
    {{ return([
        'event_id', 'source_name', 'source_kind', 'source_event_name',
        'occurred_at', 'occurred_at_text', 'received_at', 'loaded_at', 'event_order',
        'device_id', 'user_id', 'tracker_session_id',
        'platform', 'page_url', 'page_title', 'page_view_id', 'referrer_url',
        'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content',
        'click_id', 'click_id_type',
        'user_agent', 'device_category', 'browser', 'operating_system', 'language',
        'country', 'region', 'city', 'consent_analytics', 'consent_ads',
        'order_id', 'revenue', 'currency', 'item_id', 'engaged_seconds', 'scroll_percent',
        'properties', 'is_partial', 'rejection_reason', 'file_id', 'row_number',
    ]) }}
{% endmacro %}

{#- The source kinds: adding one here brings its staging models into the union. #}
{% macro source_kinds() %}
    {{ return([
        'access_log', 'alb', 'amplitude', 'cloudflare', 'cloudfront', 'ga4', 'generic', 'iis',
        'matomo', 'mixpanel', 'otlp', 'posthog', 'segment', 'segment_warehouse', 'snowplow',
    ]) }}
{% endmacro %}

{#- The kinds that deliver the items of carts and orders as rows: stg_<kind>__event_items. #}
{% macro source_kinds_with_items() %}
    {{ return(['ga4', 'generic', 'matomo', 'segment', 'segment_warehouse', 'snowplow']) }}
{% endmacro %}

{#- What every stg_<kind>__profiles delivers: records that say what is known of a user, a device or a
    group, and are no events. #}
{% macro profile_columns() %}
    {{ return([
        'profile_id', 'source_name', 'identifier', 'person_key', 'version', 'is_deleted',
        'profiled_at', 'properties', 'rejection_reason', 'file_id', 'row_number', 'loaded_at',
    ]) }}
{% endmacro %}

{#- The kinds whose exports hold such records: stg_<kind>__profiles. #}
{% macro source_kinds_with_profiles() %}
    {{ return(['posthog', 'segment_warehouse']) }}
{% endmacro %}

{#- The kinds that deliver the properties of events: stg_<kind>__event_properties. #}
{% macro source_kinds_with_properties() %}
    {{ return([
        'access_log', 'amplitude', 'ga4', 'generic', 'matomo', 'mixpanel', 'otlp', 'posthog', 'segment',
        'segment_warehouse', 'snowplow',
    ]) }}
{% endmacro %}

{#- The kinds that tell an event again as more of it is known, and say which telling is the later one:
    their staging models have `revised_at` beside the contract. #}
{% macro source_kinds_that_revise() %}
    {{ return(['matomo']) }}
{% endmacro %}

{#- The kinds whose properties are dear to unpack, or change in part when an event is told again: their
    staging models have `properties_hash`, of the raw fields less those, beside the contract. #}
{% macro source_kinds_that_hash_properties() %}
    {{ return(['ga4', 'mixpanel']) }}
{% endmacro %}

{#- The kinds whose trackers say themselves whether a session is engaged: their staging models have
    `is_engaged_by_tracker` beside the contract. #}
{% macro source_kinds_that_judge_engagement() %}
    {{ return(['ga4']) }}
{% endmacro %}

{#- The kinds whose records say that two ids are one person's: stg_<kind>__identity_links. #}
{% macro source_kinds_with_identity_links() %}
    {{ return(['generic', 'mixpanel', 'posthog', 'segment', 'segment_warehouse']) }}
{% endmacro %}
