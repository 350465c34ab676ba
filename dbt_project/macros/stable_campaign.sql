{#- The campaign that an event names, as one text; null where it names none. #}
{% macro stable_campaign() -%}
    case
        when coalesce(utm_source, utm_medium, utm_campaign) is not null
            then {{ stable_id(['utm_source', 'utm_medium', 'utm_campaign']) }}
    end
{%- endmacro %}
