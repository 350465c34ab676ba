{#- As the adapter does it, but that a column of a table may say how it is compressed
    (`config.meta.compression`), which the engine is told only where the table is declared. #}
{% macro duckdb__create_table_as(
    temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none
) -%}
    {%- set methods = {} -%}
    {%- for column in model.columns.values() if column.config.meta.compression is defined -%}
        {%- do methods.update({column.name: column.config.meta.compression}) -%}
    {%- endfor -%}
    {%- if temporary or not methods -%}
        {{ return(dbt.duckdb__create_table_as(
            temporary, relation, compiled_code, language, partitioned_by, sorted_by
        )) }}
    {%- endif -%}
    create table {{ relation }} (
        {%- for column in run_query('describe ' ~ compiled_code).rows %}
        {{ adapter.quote(column[0]) }} {{ column[1] }}
        {%- if column[0] in methods %} using compression {{ methods[column[0]] }}{% endif %}
        {{- ',' if not loop.last }}
        {%- endfor %}
    );
    insert into {{ relation }} {{ compiled_code }}
{%- endmacro %}
