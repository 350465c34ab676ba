{#-
    The build record: `raw.builds`, the one place that says whether the tables in the warehouse
    belong together. A row is appended when a command that writes tables starts and another when
    it ends, so that a build that was killed leaves 'started' as its last word. Publishing reads
    the newest row and refuses unless it is a completed, whole and passed build.
-#}

{% macro record_build_started() %}
    {%- if execute and flags.WHICH in commands_that_write_tables() -%}
        {{ _create_build_record() }}
        {{ _insert_build_record('started', is_whole=none, passed=none) }}
    {%- endif -%}
{% endmacro %}


{% macro record_build(results) %}
    {%- if execute and flags.WHICH in commands_that_write_tables() -%}
        {%- set warned = results | selectattr('status', 'equalto', 'warn') | list -%}
        {%- set failed = nodes_that_failed(results) -%}
        {{ _insert_build_record(
            'completed',
            is_whole=is_whole_build(results),
            passed=(failed | length == 0),
            failed_count=failed | length,
            warned_count=warned | length,
            first_failure=failed | first
        ) }}
    {%- endif -%}
{% endmacro %}


{#- Whether there is a result of every node, and of all rows. #}
{% macro is_whole_build(results) %}
    {%- set done = results | map(attribute='node.unique_id') | list -%}
    {{ return(
        _nodes_of_a_whole_build() | reject('in', done) | list | length == 0 and not flags.EMPTY
    ) }}
{% endmacro %}


{#- dbt's ids of those that failed, and then of those that were skipped. #}
{% macro nodes_that_failed(results) %}
    {%- set failed = [] -%}
    {%- set skipped = [] -%}
    {%- for result in results -%}
        {%- if result.status in ['error', 'fail', 'runtime error', 'partial success'] -%}
            {%- do failed.append(result.node.unique_id) -%}
        {%- elif result.status == 'skipped' -%}
            {%- do skipped.append(result.node.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(failed + skipped) }}
{% endmacro %}


{% macro commands_that_write_tables() %}
    {{ return(['build', 'run', 'seed', 'snapshot', 'retry', 'clone']) }}
{% endmacro %}


{% macro _nodes_of_a_whole_build() %}
    {#- An ephemeral model has no result of its own. Unit tests say nothing about the data. -#}
    {%- set nodes = [] -%}
    {%- for node in graph.nodes.values() -%}
        {%- if node.resource_type in ['model', 'seed', 'snapshot', 'test']
            and node.config.materialized != 'ephemeral' -%}
            {%- do nodes.append(node.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(nodes) }}
{% endmacro %}


{% macro _create_build_record() %}
    create schema if not exists raw;
    create table if not exists raw.builds (
        invocation_id {{ dbt.type_string() }},
        recorded_at {{ dbt.type_timestamp() }},
        state {{ dbt.type_string() }},
        command {{ dbt.type_string() }},
        is_whole {{ dbt.type_boolean() }},
        passed {{ dbt.type_boolean() }},
        failed_count {{ dbt.type_int() }},
        warned_count {{ dbt.type_int() }},
        first_failure {{ dbt.type_string() }}
    );
{% endmacro %}


{% macro _insert_build_record(
    state, is_whole, passed, failed_count=none, warned_count=none, first_failure=none
) %}
    {%- set now = modules.datetime.datetime.now(modules.pytz.utc).strftime('%Y-%m-%d %H:%M:%S.%f') -%}
    insert into raw.builds values (
        '{{ invocation_id }}',
        cast('{{ now }}' as {{ dbt.type_timestamp() }}),
        '{{ state }}',
        '{{ flags.WHICH }}',
        {{ 'null' if is_whole is none else is_whole | lower }},
        {{ 'null' if passed is none else passed | lower }},
        {{ 'null' if failed_count is none else failed_count }},
        {{ 'null' if warned_count is none else warned_count }},
        {% if first_failure -%}
            {{ dbt.string_literal(dbt.escape_single_quotes(first_failure)) }}
        {%- else -%}
            null
        {%- endif %}
    )
{% endmacro %}
