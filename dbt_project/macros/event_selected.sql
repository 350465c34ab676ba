{#- Whether an event is the one that a row of a definition seed (funnels, conversions) selects. #}
{% macro event_selected(events, definitions) -%}
    (
        {{ definitions }}.source_name = '*'
        or {{ definitions }}.source_name = {{ events }}.source_name
    )
    and (
        {{ definitions }}.event_name = '*'
        or {{ definitions }}.event_name = {{ events }}.event_name
    )
    and (
        {{ definitions }}.page_path_pattern = '*'
        or {{ matches(events ~ '.page_path', definitions ~ '.page_path_pattern') }}
    )
{%- endmacro %}
