{#- The device of what is known by a user alone, as a server reports it. #}
{% macro device_of_user(user_id) -%}
    'user:' || {{ user_id }}
{%- endmacro %}
