{#- The text without its outer blanks; null where nothing is left. Used by staging only. #}
{% macro not_blank(text) -%}
    nullif(trim({{ text }}), '')
{%- endmacro %}
