{#- The first value of a column in a session that is not null; the session's events are numbered. #}
{% macro first_known(column) -%}
    min_by({{ column }}, session_event_number) filter (where {{ column }} is not null)
        as {{ column }}
{%- endmacro %}
