{#- What an event says, less when and where it was received and loaded: records that agree in it say
    the same. #}
{% macro event_content() %}
    {{ return([
        'source_event_name', 'occurred_at', 'device_id', 'user_id', 'page_url', 'page_title',
        'referrer_url', 'utm_source', 'utm_medium', 'utm_campaign', 'user_agent', 'order_id',
        'revenue', 'currency', 'item_id', 'engaged_seconds', 'scroll_percent', 'properties',
    ]) }}
{% endmacro %}
