{#- Fails with every one of `columns` that is null somewhere: dbt's not_null, asked once for all of them. #}
{% test no_nulls(model, columns) %}
with

counted as (

    select
        {%- for column in columns %}
        count(*) - count({{ column }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}

)

{% for column in columns %}
select
    '{{ column }}' as column_name,
    {{ column }} as null_count
from counted
where {{ column }} > 0
{% if not loop.last %}union all{% endif %}
{% endfor %}
{% endtest %}
