{#-
    A build from nothing of more than `records_joined_at_once` records judges them all, into a table of
    verdicts, and joins them to these in parts, one statement each: memory holds the verdicts of a part.
    Where it holds all, one statement is a fifth quicker. The model's own code says what each step does;
    the table is gone afterwards.
-#}

{#- What the model's code is to give now: {judges_alone, judged: the table of verdicts, part}; of a
    smaller build, and of an increment, everything at once. #}
{% macro step_of_build(files_loaded) %}
    {%- set parts = _parts_of_build(files_loaded) -%}
    {%- set place = _place_in_build().get('place', 1) -%}
    {%- if parts | length == 1 -%}
        {{ return({'part': parts[0]}) }}
    {%- elif place == 0 -%}
        {{ return({'judges_alone': true}) }}
    {%- endif -%}
    {{ return({'judged': _table_of_verdicts(), 'part': parts[place - 1]}) }}
{% endmacro %}


{#- Before the table: the verdicts. #}
{% macro judge_beforehand() %}
    {%- if execute and _parts_of_build(ref('int_files_loaded')) | length > 1 -%}
        create or replace table {{ _table_of_verdicts() }} as {{ _code_at(0) }}
    {%- endif -%}
{% endmacro %}


{#- After it, in the same transaction: all parts but the first. #}
{% macro join_other_parts() %}
    {%- set parts = _parts_of_build(ref('int_files_loaded')) if execute else [] -%}
    {%- if parts | length > 1 -%}
        {%- for _ in parts[1:] %}
        insert into {{ this }} {{ _code_at(loop.index + 1) }};
        {%- endfor %}
        drop table {{ _table_of_verdicts() }}
    {%- endif -%}
{% endmacro %}


{% macro _code_at(place) %}
    {%- do _place_in_build().update({'place': place}) -%}
    {%- set code = render(model.raw_code) -%}
    {%- do _place_in_build().update({'place': 1}) -%}
    {{ return(code) }}
{% endmacro %}


{% macro _place_in_build() %}
    {{ return(graph.setdefault('place_in_' ~ invocation_id ~ model.unique_id, {})) }}
{% endmacro %}


{% macro _table_of_verdicts() %}
    {{ return(this.incorporate(path={'identifier': this.identifier ~ '__verdicts'})) }}
{% endmacro %}


{#- The loaded records in parts of about that many: whole files, or rows of one that is
    larger, as a list of {files, from_row, to_row}; the last is all the rest, {other_than: files}, and
    the only one where that is enough or the table is not built whole. #}
{% macro _parts_of_build(files_loaded) %}
    {%- if execute and this is not none and not is_incremental()
        and flags.WHICH in commands_that_write_tables() -%}
        {%- set files = run_query('select file_id, records from ' ~ files_loaded ~ ' order by 1').rows -%}
        {{ return(_parts_of(files, var('records_joined_at_once') or _records_in_half_of_memory())) }}
    {%- endif -%}
    {{ return([{'other_than': []}]) }}
{% endmacro %}


{#- A verdict with what it is joined by takes 200 bytes, twice that while others are added. #}
{% macro _records_in_half_of_memory() %}
    {{ return(memory_limit() // 400) }}
{% endmacro %}


{% macro _parts_of(files, most) %}
    {%- set parts = [] -%}
    {%- set listed = [] -%}
    {%- for file, records in files if records > most -%}
        {%- for row in range(0, records | int, most) -%}
            {%- do parts.append({
                'files': [file],
                'from_row': none if loop.first else row + 1,
                'to_row': none if loop.last else row + most,
            }) -%}
        {%- endfor -%}
        {%- do listed.append(file) -%}
    {%- endfor -%}
    {%- set part = {'files': [], 'records': 0} -%}
    {%- for file, records in files if records <= most -%}
        {%- if part.records + records > most -%}
            {%- do parts.append({'files': part.files}) -%}
            {%- do listed.extend(part.files) -%}
            {%- do part.update({'files': [], 'records': 0}) -%}
        {%- endif -%}
        {%- do part.update({'files': part.files + [file], 'records': part.records + records}) -%}
    {%- endfor -%}
    {%- do parts.append({'other_than': listed}) -%}
    {{ return(parts) }}
{% endmacro %}


{#- A condition: the record of the relation belongs to the part. Values and bounds reach the raw tables. #}
{% macro in_part(relation, part) -%}
    {%- if part.files -%}
        {{ in_files(relation ~ '.file_id', part.files) }}
        {%- if part.from_row %} and {{ relation }}.row_number >= {{ part.from_row }}{% endif %}
        {%- if part.to_row %} and {{ relation }}.row_number <= {{ part.to_row }}{% endif %}
    {%- else -%}
        not {{ in_files(relation ~ '.file_id', part.other_than) }}
    {%- endif -%}
{%- endmacro %}
