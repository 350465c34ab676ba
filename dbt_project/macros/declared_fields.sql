{#- The fields of a column of structs as the raw table's staging twin declares them: a mapping of their names
    to none, or to the fields of the struct inside. None where dbt does not say: while it parses, and in
    unit tests. -#}
{% macro declared_fields(raw_table, column) %}
    {%- if not execute or graph.sources is not defined -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set table = graph.sources.values()
        | selectattr('schema', 'equalto', raw_table.schema)
        | selectattr('identifier', 'equalto', raw_table.identifier) | first -%}
    {%- set data_type = table.columns[column].data_type -%}
    {%- set as_json = namespace(text=data_type) -%}
    {%- for pattern, replacement in [
        ('^struct\\(', '{'),
        ('"?(\\w+)"? struct\\(', '"\\1": {'),
        ('"?(\\w+)"? \\w+(\\[\\])*(?=[,)])', '"\\1": null'),
        ('\\)', '}'),
    ] -%}
        {%- set as_json.text = modules.re.sub(pattern, replacement, as_json.text) -%}
    {%- endfor -%}
    {%- set fields = fromjson(as_json.text) -%}
    {%- if fields is none -%}
        {{ exceptions.raise_compiler_error(
            raw_table ~ '.' ~ column ~ ": expected a struct of plain types, lists of them and such structs; found "
            ~ data_type
        ) }}
    {%- endif -%}
    {{ return(fields) }}
{% endmacro %}
