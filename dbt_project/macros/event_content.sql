{#- What an event says, less when it happened and when and where it was received and loaded. #}
{% macro event_content() %}
    {{ return([
        'source_event_name', 'device_id', 'user_id', 'page_url', 'page_title',
        'referrer_url', 'utm_source', 'utm_medium', 'utm_campaign', 'user_agent', 'order_id',
        'revenue', 'currency', 'item_id', 'engaged_seconds', 'scroll_percent',
        'properties_hash',
    ]) }}
{% endmacro %}

{#- All that a record says of its event: of records that differ, this settles which one counts. #}
{% macro all_an_event_says() %}
    {{ return(event_content() + [
        'occurred_at', 'session_thread', 'event_order', 'platform', 'page_view_id', 'utm_term',
        'utm_content', 'click_id', 'click_id_type', 'device_category', 'browser',
        'operating_system', 'language', 'country', 'region', 'city', 'consent_analytics',
        'consent_ads',
    ]) }}
{% endmacro %}

{#- What is asked before that: which record of an event says more, is newer, came first. #}
{% macro event_preference_columns() %}
    {{ return([
        'event_id', 'file_id', 'row_number', 'is_partial', 'revised_at', 'received_at',
    ]) }}
{% endmacro %}
