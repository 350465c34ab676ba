{#- The last value before this row that is not null, and when it was, on a timeline of events. #}
{% macro last_known(name, value, timeline) -%}
    last_value({{ value }} ignore nulls) over (
            {{ timeline }} rows between unbounded preceding and 1 preceding
        ) as previous_{{ name }},
        last_value(case when {{ value }} is not null then occurred_at end ignore nulls) over (
            {{ timeline }} rows between unbounded preceding and 1 preceding
        ) as previous_{{ name }}_at
{%- endmacro %}
