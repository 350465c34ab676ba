{#-
    A build from nothing of more than `records_joined_at_once` records judges them all, into a table of
    verdicts, and joins them to these in parts, one statement each: memory holds the verdicts of a part.
    Where it holds all, one statement is a fifth quicker. The model's own code says what each step does;
    the table is gone afterwards. A model whose rows are of one day each takes whole days instead, one
    that puts together what happened in a session, or led to a conversion, as many shares of these.
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
    {%- set parts = _parts_of_build(ref('int_files_loaded')) -%}
    {%- if parts | length > 1 -%}
        {%- do _announce(parts) -%}
        create or replace table {{ _table_of_verdicts() }} as {{ _code_at(0) }}
    {%- endif -%}
{% endmacro %}


{#- After it, in the same transaction: all parts but the first. #}
{% macro join_other_parts() %}
    {%- set parts = _parts_of_build(ref('int_files_loaded')) -%}
    {%- if parts | length > 1 -%}
        {{ _insert_other_parts(parts) }}
        drop table {{ _table_of_verdicts() }}
    {%- endif -%}
{% endmacro %}


{#- The days that the code of a model of one day each is to give now, as {from_day, to_day}, each open
    where it is none; of a smaller build, and of an increment, all of them. #}
{% macro days_of_step(days_counted) %}
    {{ return(_days_of_build(days_counted)[_place_in_build().get('place', 1) - 1]) }}
{% endmacro %}


{#- After its first days, in the same transaction: the others. #}
{% macro build_other_days(days_counted) %}
    {{ _build_others(_days_of_build(days_counted)) }}
{% endmacro %}


{#- Which share of its sessions or conversions the code of a model is to give now, as {number, of}; of a
    smaller build, and of an increment, the only one. A model that holds less of each record than a
    verdict takes holds `times_as_many`. #}
{% macro share_of_step(files_loaded, times_as_many=1) %}
    {{ return({
        'number': _place_in_build().get('place', 1) - 1,
        'of': _shares_of_build(files_loaded, times_as_many) | length,
    }) }}
{% endmacro %}


{#- After its first share, in the same transaction: the others. #}
{% macro build_other_shares(files_loaded, times_as_many=1) %}
    {{ _build_others(_shares_of_build(files_loaded, times_as_many), times_as_many) }}
{% endmacro %}


{% macro _build_others(parts, times_as_many=1) %}
    {%- if parts | length > 1 -%}
        {%- do _announce(parts, times_as_many) -%}
        {{ _insert_other_parts(parts) }}
    {%- endif -%}
{% endmacro %}


{% macro _announce(parts, times_as_many=1) %}
    {%- do log(
        model.name ~ ' is built in ' ~ parts | length ~ ' parts of about '
        ~ _most_at_once() * times_as_many ~ ' records', info=true
    ) -%}
{% endmacro %}


{% macro _insert_other_parts(parts) %}
    {%- for _ in parts[1:] %}
    insert into {{ this }} {{ _code_at(loop.index + 1) }};
    {%- endfor %}
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


{#- Only a table that is built whole does. #}
{% macro _may_take_steps() %}
    {{ return(
        execute and this is not none and not is_incremental()
        and flags.WHICH in commands_that_write_tables()
    ) }}
{% endmacro %}


{% macro _most_at_once() %}
    {{ return(var('records_joined_at_once') or _records_in_half_of_memory()) }}
{% endmacro %}


{#- Days one after the other that hold about that many records together. #}
{% macro _days_of_build(days_counted) %}
    {%- set parts = [{'from_day': none, 'to_day': none}] -%}
    {%- if _may_take_steps() -%}
        {%- set days = run_query(
            'select event_date, sum(event_count) as records from ' ~ days_counted
            ~ ' where event_date is not null group by event_date order by event_date'
        ).rows -%}
        {%- set most = _most_at_once() -%}
        {%- set held = {'records': 0} -%}
        {%- for day, records in days -%}
            {%- if held.records and held.records + records > most -%}
                {%- do parts[-1].update({'to_day': day}) -%}
                {%- do parts.append({'from_day': day, 'to_day': none}) -%}
                {%- do held.update({'records': 0}) -%}
            {%- endif -%}
            {%- do held.update({'records': held.records + records}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(parts) }}
{% endmacro %}


{#- As many as hold about that many of the loaded records each. #}
{% macro _shares_of_build(files_loaded, times_as_many) %}
    {%- if _may_take_steps() -%}
        {%- set records = run_query('select sum(records) from ' ~ files_loaded).rows[0][0] or 0 -%}
        {{ return(range((records / (_most_at_once() * times_as_many)) | round(0, 'ceil') | int or 1)) }}
    {%- endif -%}
    {{ return([0]) }}
{% endmacro %}


{#- The loaded records in parts of about that many: whole files, or rows of one that is larger, as a list
    of {files, from_row, to_row}; one part of everything, {}, where that is enough or the table is not
    built whole. Files that came since int_files_loaded was built are an increment of the next run. #}
{% macro _parts_of_build(files_loaded) %}
    {%- if _may_take_steps() -%}
        {%- set files = run_query('select file_id, records from ' ~ files_loaded ~ ' order by 1').rows -%}
        {{ return(_parts_of(files, _most_at_once())) }}
    {%- endif -%}
    {{ return([{}]) }}
{% endmacro %}


{#- A verdict with what it is joined by takes 200 bytes, twice that while others are added. #}
{% macro _records_in_half_of_memory() %}
    {{ return(memory_limit() // 400) }}
{% endmacro %}


{% macro _parts_of(files, most) %}
    {%- set parts = [] -%}
    {%- for file, records in files if records > most -%}
        {%- for row in range(0, records | int, most) -%}
            {%- do parts.append({
                'files': [file],
                'from_row': none if loop.first else row + 1,
                'to_row': none if loop.last else row + most,
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set part = {'files': [], 'records': 0} -%}
    {%- for file, records in files if records <= most -%}
        {%- if part.records + records > most -%}
            {%- do parts.append({'files': part.files}) -%}
            {%- do part.update({'files': [], 'records': 0}) -%}
        {%- endif -%}
        {%- do part.update({'files': part.files + [file], 'records': part.records + records}) -%}
    {%- endfor -%}
    {%- if not parts -%}
        {{ return([{}]) }}
    {%- endif -%}
    {%- if part.files -%}
        {%- do parts.append({'files': part.files}) -%}
    {%- endif -%}
    {{ return(parts) }}
{% endmacro %}


{#- A condition: the record that the columns name belongs to the part. Values and bounds reach the raw tables. #}
{% macro in_part(file_id, row_number, part) -%}
    {%- if part.files -%}
        {{ in_files(file_id, part.files) }}
        {%- if part.from_row %} and {{ row_number }} >= {{ part.from_row }}{% endif %}
        {%- if part.to_row %} and {{ row_number }} <= {{ part.to_row }}{% endif %}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{#- A condition: what the column names belongs to the share. #}
{% macro in_share(column, share) -%}
    {%- if share.of > 1 -%}
        {{ hash_of([column]) }} % {{ share.of }} = {{ share.number }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{#- A condition: the day belongs to the step. #}
{% macro in_days(column, days) -%}
    {%- set bounds = [] -%}
    {%- if days.from_day -%}
        {%- do bounds.append(column ~ " >= cast('" ~ days.from_day ~ "' as date)") -%}
    {%- endif -%}
    {%- if days.to_day -%}
        {%- do bounds.append(column ~ " < cast('" ~ days.to_day ~ "' as date)") -%}
    {%- endif -%}
    {{ bounds | join(' and ') or 'true' }}
{%- endmacro %}


{#- A condition: the column names a file that holds events of these days. #}
{% macro in_files_of_days(file_column, days, events) -%}
    {%- if days.from_day or days.to_day -%}
        {{ in_files_of(events, in_days('event_date', days), file_column) }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
