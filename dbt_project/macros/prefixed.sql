{#- The column names, each with its relation in front. #}
{% macro prefixed(relation, columns) %}
    {% set names = [] %}
    {% for column in columns %}
        {% do names.append(relation ~ '.' ~ column) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}
