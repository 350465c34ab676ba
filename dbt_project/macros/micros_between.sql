{#- Microseconds from one UTC timestamp to another, exact. #}
{% macro micros_between(earlier, later) -%}
    ({{ micros_from_timestamp(later) }} - {{ micros_from_timestamp(earlier) }})
{%- endmacro %}

{#- Seconds from one UTC timestamp to another, to the millisecond. #}
{% macro seconds_between(earlier, later) -%}
    cast({{ micros_between(earlier, later) }} * 0.000001 as decimal(18, 3))
{%- endmacro %}
