{#- Whether an event is the one that a row of a definition seed (funnels, conversions) selects.
    `case` keeps the pattern for last: it is tried only where name and source agree. -#}
{% macro event_selected(events, definitions) -%}
    case
        when
            {{ definitions }}.event_name not in ('*', {{ events }}.event_name)
            or {{ definitions }}.source_name not in ('*', {{ events }}.source_name)
            then false
        when {{ definitions }}.page_path_pattern = '*' then true
        else {{ matches(events ~ '.page_path', definitions ~ '.page_path_pattern') }}
    end
{%- endmacro %}
