{#- The ways in which a touch is weighed, as int_touches_credited names its columns. #}
{% macro attribution_weightings() %}
    {{ return(['first', 'last', 'last_non_direct', 'linear', 'position', 'time_decay']) }}
{% endmacro %}
