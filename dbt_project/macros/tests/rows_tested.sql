{#-
    Where everything that the tables held before a run has passed the tests of the project as it is, a
    test that says what rows an increment changes (`config.meta.restated`: the unit; the column that
    names it; of events and sessions also the column with their day, and in a relationship the other
    table's) looks at those that this run has changed. At all rows it looks in any other run: one that
    makes a table anew, `dbt test`, and the one after a run that was not whole, that did not pass, or
    that was killed.
    `raw.built_from` says of the run that left everything passed by which state of the project it was.
-#}

{#- What dbt has a generic test read: its own macro, which knows `where` alone. #}
{% macro default__get_where_subquery(relation) -%}
    {%- set rows = rows_tested(relation) -%}
    {{ return(relation if rows == relation else rows ~ ' as dbt_subquery') }}
{%- endmacro %}


{#- The rows of a relation that the test at hand looks at: the relation, or a query of it. #}
{% macro rows_tested(relation) %}
    {%- set conditions = [config.get('where')] | select | list -%}
    {%- set restated = _restated_tested() -%}
    {%- if restated -%}
        {%- do conditions.append(
            in_restated(restated.unit, restated.column) ~ ' or ' ~ restated.column ~ ' is null'
        ) -%}
        {%- do conditions.append(_is_of_restated_days(restated.unit, restated.get('day'))) -%}
    {%- endif -%}
    {%- if not conditions -%}
        {{ return(relation) }}
    {%- endif -%}
    {{ return(
        '(select * from ' ~ relation ~ ' where (' ~ conditions | select | join(') and (') ~ '))'
    ) }}
{% endmacro %}


{#- dbt's own test, which reads `to` whole. Where it looks at the rows of restated values, only rows of
    the same values can answer it. #}
{% macro default__test_relationships(model, column_name, to, field) %}
    {%- set restated = _restated_tested() -%}
    {%- if restated and restated.column == column_name -%}
        {%- set conditions = [
            in_restated(restated.unit, field),
            _is_of_restated_days(restated.unit, restated.get('day_of_other')),
        ] -%}
        {%- set to = '(select * from ' ~ to ~ ' where ' ~ conditions | select | join(' and ')
            ~ ') as rows_that_answer' -%}
    {%- endif -%}
    {{ dbt.default__test_relationships(model, column_name, to, field) }}
{% endmacro %}


{#- A condition on a column of days, where there is one: with the days as values the engine passes over
    what is stored of all others. #}
{% macro _is_of_restated_days(unit, date_column) -%}
    {%- if date_column -%}
        {{ on_days_of_restated(unit, date_column, var('session_max_hours')) }}
    {%- endif -%}
{%- endmacro %}


{#- After a run: whether all has passed. #}
{% macro record_tests(results) %}
    {%- if execute and flags.WHICH in commands_that_write_tables() -%}
        delete from raw.built_from where kind = 'tests';
        {%- if is_whole_build(results) and not nodes_that_failed(results) %}
        insert into raw.built_from
        values ('{{ invocation_id }}', 'tests', 'state', {{ _literal(_state_of_tests()) }})
        {%- endif -%}
    {%- endif -%}
{% endmacro %}


{#- The incremental tables that this run has made anew, by dbt's id. #}
{% macro built_anew() %}
    {{ return(_tests_of_run().setdefault('built_anew', {})) }}
{% endmacro %}


{#- What the test at hand keeps to, as {unit, column, day, day_of_other}; none where it looks at all rows. #}
{% macro _restated_tested() %}
    {%- set restated = config.get('meta', {}).get('restated') if execute else none -%}
    {{ return(restated if restated and _all_else_has_passed() else none) }}
{% endmacro %}


{#- Of the test at hand. A test that lets failures pass says nothing of what it looked at before. #}
{% macro _all_else_has_passed() %}
    {%- set above = _upstream(model.unique_id) -%}
    {{ return(
        flags.WHICH in commands_that_write_tables()
        and _all_passed_before()
        and built_anew().keys() | select('in', above) | list | length == 0
        and config.get('severity', 'error') | lower == 'error'
        and config.get('error_if', '!= 0') == '!= 0'
    ) }}
{% endmacro %}


{#- Whether the last run before this one has left everything passed by the same tests. #}
{% macro _all_passed_before() %}
    {%- if 'all_passed_before' not in _tests_of_run() -%}
        {%- set passed = _built_from(
            "kind = 'tests' and model = (select invocation_id from raw.builds where invocation_id != '"
            ~ invocation_id ~ "' order by recorded_at desc limit 1)",
            'model'
        ) -%}
        {%- do _tests_of_run().update({
            'all_passed_before': passed | length == 1 and passed[0][1] == _state_of_tests()
        }) -%}
    {%- endif -%}
    {{ return(_tests_of_run().all_passed_before) }}
{% endmacro %}


{% macro _tests_of_run() %}
    {{ return(graph.setdefault('tests_in_' ~ invocation_id, {})) }}
{% endmacro %}


{#- Whether a macro is one of the tests', on which no row of a table depends. #}
{% macro is_of_tests(macro_name, macro) %}
    {{ return(
        macro_name.startswith('test_') or '__test_' in macro_name
        or macro.original_file_path.replace('\\', '/').startswith('macros/tests/')
    ) }}
{% endmacro %}


{% macro _state_of_tests() %}
    {%- set parts = [state_of_project()] -%}
    {%- for name, macro in context[project_name].items()
        if macro.macro is defined and is_of_tests(name, macro.macro) -%}
        {%- do parts.append(macro.macro.macro_sql) -%}
        {%- do parts.append(settings_named_in(macro.macro.macro_sql) | string) -%}
    {%- endfor -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'test' -%}
        {%- do parts.append(node.unique_id ~ node.raw_code ~ tojson(node.config, none, true)) -%}
        {%- do parts.append(settings_named_in(node.raw_code) | string) -%}
    {%- endfor -%}
    {{ return(local_md5(parts | sort | join('\n'))) }}
{% endmacro %}
