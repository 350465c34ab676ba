{#-
    Increments: a run redoes what its new records touch, and nothing else.

    `raw.built_from` says of every incremental table what it was built from: its files, and the
    code, settings, seeds and sources above it. Files that differ are an increment; anything else
    that differs is another history, and the table is built anew.
    `raw.restated` lists the units (events and their days, sessions and their ownership, devices, days,
    persons, identities, identifiers, conversions and their days) that a run has changed, until all
    incremental tables have followed. Redoing one twice does no harm, so a run that was killed, or that
    built some of the models only, is made good by the next.
-#}

{#- Before a run: the two tables, and what will be built anew and why. #}
{% macro begin_increment() %}
    {%- if execute and flags.WHICH in commands_that_write_tables() -%}
        {%- do run_query(_create_increment_records()) -%}
        {%- do run_query(forget_relations_of_another_project()) -%}
        {{ _announce_rebuilds() }}
    {%- endif -%}
{% endmacro %}


{#- After a run that built every incremental table: all have followed. #}
{% macro end_increment(results) %}
    {%- if execute and flags.WHICH in commands_that_write_tables() -%}
        {%- set built = [] -%}
        {%- for result in results if result.status == 'success' -%}
            {%- do built.append(result.node.unique_id) -%}
        {%- endfor -%}
        {%- if _incremental_models() | reject('in', built) | list | length == 0 -%}
            delete from raw.restated;
            {#- a model that is left out of the project misses this: when it is back, its table is
                built anew -#}
            delete from raw.built_from
            where kind != 'tests'
            {%- for id in _incremental_models() %} and model != '{{ graph.nodes[id].name }}'
            {%- endfor %};
        {%- endif -%}
        {{ record_relations(results) }}
    {%- endif -%}
{% endmacro %}


{% macro _incremental_models() %}
    {%- set models = [] -%}
    {%- for node in graph.nodes.values() -%}
        {%- if node.resource_type == 'model' and node.config.materialized == 'incremental' -%}
            {%- do models.append(node.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(models) }}
{% endmacro %}


{#- Says what will be restated before it is; tables that were never built need no announcement. #}
{% macro _announce_rebuilds() %}
    {%- set built = _times_built_anew() -%}
    {%- set changes = [] -%}
    {%- set names = [] -%}
    {%- for id in _incremental_models() -%}
        {%- set name = graph.nodes[id].name -%}
        {%- set reasons = reasons_to_rebuild(id) if name in built else [] -%}
        {%- if name in built and (reasons or flags.FULL_REFRESH) -%}
            {%- do names.append(name) -%}
        {%- endif -%}
        {%- for reason in reasons -%}
            {%- set change = reason.input -%}
            {%- if change.startswith('setting ') -%}
                {%- set change = change ~ ' (' ~ reason.before ~ ' -> ' ~ reason.now ~ ')' -%}
            {%- endif -%}
            {%- if change not in changes -%}
                {%- do changes.append(change) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if names -%}
        {%- if changes -%}
            {%- do log('Changed since the tables were built: ' ~ changes | join(', '), info=true) -%}
        {%- endif -%}
        {%- do log(
            'Will be built anew from all of history, where selected: ' ~ names | join(', '), info=true
        ) -%}
    {%- endif -%}
{% endmacro %}


{% macro _create_increment_records() %}
    create schema if not exists raw;
    create table if not exists raw.built_from (
        model {{ dbt.type_string() }},
        kind {{ dbt.type_string() }},
        input {{ dbt.type_string() }},
        version {{ dbt.type_string() }}
    );
    create table if not exists raw.restated (
        unit {{ dbt.type_string() }},
        id {{ dbt.type_string() }}
    );
{% endmacro %}


{#- Whether the model at hand adds to its table; false where it is built whole, as in a unit test. #}
{% macro is_increment() %}
    {{ return(execute and this is not none and is_incremental()) }}
{% endmacro %}


{#- dbt's own question, answered for incremental models also by what they were built from. #}
{% macro should_full_refresh() %}
    {%- set asked_for = config.get('full_refresh') -%}
    {%- if asked_for is none -%}
        {%- set asked_for = flags.FULL_REFRESH -%}
    {%- endif -%}
    {%- if asked_for or not execute or model.config.materialized != 'incremental' -%}
        {{ return(asked_for) }}
    {%- endif -%}
    {#- Asked many times of a model, and the same all through its run: `graph` lives as long. -#}
    {%- set known = graph.setdefault('rebuilds_of_' ~ invocation_id, {}) -%}
    {%- if model.unique_id not in known -%}
        {%- do known.update({
            model.unique_id: reasons_to_rebuild(model.unique_id) | length > 0
        }) -%}
    {%- endif -%}
    {{ return(known[model.unique_id]) }}
{% endmacro %}


{#- What differs from what the table was built from, less files and new sources, as
    [{input, before, now}]; all of it where the table was never built. #}
{% macro reasons_to_rebuild(unique_id) %}
    {%- set before = {} -%}
    {%- for row in _built_from(
        "kind != 'file' and model = '" ~ graph.nodes[unique_id].name ~ "'", "kind || ' ' || input"
    ) -%}
        {%- do before.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {%- set reasons = [] -%}
    {%- set now = inputs_of(unique_id) -%}
    {%- for input, version in now.items() -%}
        {%- if before.get(input) != version
            and not (before and input not in before and input.startswith('source ')) -%}
            {%- do reasons.append({'input': input, 'before': before.get(input), 'now': version}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for input, version in before.items() -%}
        {%- if input not in now and not input.startswith('source ') and input != 'built anew' -%}
            {%- do reasons.append({'input': input, 'before': version, 'now': none}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(reasons) }}
{% endmacro %}


{#- Everything but files that decides what is in a table: {'code int_x': checksum, 'seed y': …,
    'setting session_timeout_minutes': 30, 'source shop': …, 'macros clickstream': …, 'table int_z':
    when that one was last built anew, 'engine version': …}. #}
{% macro inputs_of(unique_id) %}
    {%- set lasting = _lasting_inputs_of(unique_id) -%}
    {%- set inputs = dict(lasting.inputs) -%}
    {%- set rebuilt = _times_built_anew() if lasting.tables else {} -%}
    {%- for name in lasting.tables -%}
        {%- do inputs.update({'table ' ~ name: rebuilt.get(name)}) -%}
    {%- endfor -%}
    {{ return(inputs) }}
{% endmacro %}


{#- Of these, what no run changes, and the incremental tables above; found out once per run, since it
    is asked of every table three times. #}
{% macro _lasting_inputs_of(unique_id) %}
    {%- set known = graph.setdefault('lasting_inputs_in_' ~ invocation_id, {}) -%}
    {%- if unique_id not in known -%}
        {%- set inputs = {} -%}
        {%- do inputs.update(project_inputs()) -%}
        {%- set tables = [] -%}
        {%- set all_code = [] -%}
        {%- set upstream = _upstream(unique_id) -%}
        {%- for id in upstream if id in graph.nodes -%}
            {%- set node = graph.nodes[id] -%}
            {%- if node.resource_type == 'seed' -%}
                {%- do inputs.update({'seed ' ~ node.name: node.checksum.checksum}) -%}
            {%- else -%}
                {%- do inputs.update({'code ' ~ node.name: node.checksum.checksum}) -%}
                {%- do all_code.append(node.raw_code) -%}
                {%- if id != unique_id and node.config.materialized == 'incremental' -%}
                    {%- do tables.append(node.name) -%}
                {%- endif -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do inputs.update(settings_named_in(all_code | join('\n'))) -%}
        {%- if 'source.' ~ project_name ~ '.loader.sources' in upstream -%}
            {%- do inputs.update(_settings_of_sources()) -%}
        {%- endif -%}
        {%- do known.update({unique_id: {'inputs': inputs, 'tables': tables}}) -%}
    {%- endif -%}
    {{ return(known[unique_id]) }}
{% endmacro %}


{#- What every model is built from: the macros, with the settings that they read, and the engine, since
    hashes that are kept hold for one version of it. #}
{% macro project_inputs() %}
    {%- set known = graph.setdefault('inputs_in_' ~ invocation_id, {}) -%}
    {%- if 'inputs' not in known -%}
        {%- set macros = [] -%}
        {#- what a test asks decides no row -#}
        {%- for name, macro in context[project_name].items()
            if macro.macro is defined and not is_of_tests(name, macro.macro) -%}
            {%- do macros.append(macro.macro.macro_sql) -%}
        {%- endfor -%}
        {%- set code = macros | sort | join('\n') -%}
        {%- set inputs = settings_named_in(code) -%}
        {%- do inputs.update({
            'macros ' ~ project_name: local_md5(code),
            'engine version': run_query('select version()').rows[0][0],
        }) -%}
        {%- do known.update({'inputs': inputs}) -%}
    {%- endif -%}
    {{ return(known.inputs) }}
{% endmacro %}


{% macro settings_named_in(code) %}
    {%- set settings = {} -%}
    {#- into how many parts the work is cut changes no row -#}
    {%- for name in modules.re.findall("\\bvar\\(\\s*['\"](\\w+)['\"]", code)
        if name != 'records_joined_at_once' -%}
        {%- do settings.update({'setting ' ~ name: var(name, none) | string}) -%}
    {%- endfor -%}
    {{ return(settings) }}
{% endmacro %}


{#- What a model is built from, itself included. What a table of differences is built from is its own
    affair: it is computed whole, and passes on what has changed. #}
{% macro _upstream(unique_id) %}
    {%- set found = {unique_id: true} -%}
    {%- set to_visit = [unique_id] -%}
    {%- for _ in range(graph.nodes | length + graph.sources | length) -%}
        {%- if to_visit -%}
            {%- set id = to_visit.pop() -%}
            {%- set is_closed = id not in graph.nodes
                or graph.nodes[id].config.incremental_strategy == 'difference' -%}
            {%- for parent in ([] if is_closed else graph.nodes[id].depends_on.nodes) -%}
                {%- if parent not in found -%}
                    {%- do found.update({parent: true}) -%}
                    {%- do to_visit.append(parent) -%}
                {%- endif -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found.keys() | sort) }}
{% endmacro %}


{#- [column, version] of what is on record; nothing in a warehouse that was never built. #}
{% macro _built_from(condition, column) %}
    {%- if adapter.get_relation(target.database, 'raw', 'built_from') is none -%}
        {{ return([]) }}
    {%- endif -%}
    {{ return(run_query(
        'select ' ~ column ~ ', version from raw.built_from where ' ~ condition
    ).rows) }}
{% endmacro %}


{% macro _times_built_anew() %}
    {%- set times = {} -%}
    {%- for row in _built_from("kind = 'built'", 'model') -%}
        {%- do times.update({row[0]: row[1]}) -%}
    {%- endfor -%}
    {{ return(times) }}
{% endmacro %}


{% macro _settings_of_sources() %}
    {%- set known = graph.setdefault('sources_in_' ~ invocation_id, {}) -%}
    {%- if 'settings' not in known -%}
        {%- set settings = {} -%}
        {%- set rows = run_query(
            'select source_name, ' ~ stable_id([
                'user_namespace', 'session_ids_from', 'own_hosts', 'timezone', 'earliest_date',
            ]) ~ ' from ' ~ source('loader', 'sources')
        ) -%}
        {%- for row in rows -%}
            {%- do settings.update({'source ' ~ row[0]: row[1]}) -%}
        {%- endfor -%}
        {%- do known.update({'settings': settings}) -%}
    {%- endif -%}
    {{ return(known.settings) }}
{% endmacro %}


{#- Before an incremental table is written: one that is built whole forgets what it was built from. #}
{% macro begin_table() %}
    {%- if execute and model.config.materialized == 'incremental' and not is_incremental() -%}
        {%- do built_anew().update({model.unique_id: true}) -%}
        delete from raw.built_from where model = '{{ model.name }}'
    {%- endif -%}
{% endmacro %}


{#- After it, in the same transaction: what it is built from now. #}
{% macro record_table() %}
    {%- if execute and model.config.materialized == 'incremental' -%}
        {%- set now = modules.datetime.datetime.now(modules.pytz.utc).isoformat() -%}
        delete from raw.built_from where model = '{{ model.name }}' and kind != 'built';
        insert into raw.built_from
        select '{{ model.name }}', 'built', 'anew', '{{ now }}'
        where not exists (
            select 1 from raw.built_from where model = '{{ model.name }}' and kind = 'built'
        );
        insert into raw.built_from values
        {%- for input, version in inputs_of(model.unique_id).items() %}
        (
            '{{ model.name }}',
            {{ _literal(input.partition(' ')[0]) }},
            {{ _literal(input.partition(' ')[2]) }},
            {{ 'null' if version is none else _literal(version) }}
        )
        {%- if not loop.last %},{% endif %}
        {%- endfor %};
        {%- for id in model.depends_on.nodes if id.endswith('.int_files_loaded') %}
        insert into raw.built_from
        select '{{ model.name }}', 'file', file_id, version from {{ ref('int_files_loaded') }}
        {#- a table that was left out of this run lacks what its newest files say, and so does this one -#}
        {%- for table in _tables_of_files_above() %}
        {{ 'where' if loop.first else 'and' }} (file_id, version) in (
            select input, version from raw.built_from where kind = 'file' and model = '{{ table }}'
        )
        {%- endfor %};
        {%- endfor %}
    {%- endif -%}
{% endmacro %}


{#- The incremental tables above the model at hand that are built file by file, too. #}
{% macro _tables_of_files_above() %}
    {%- set tables = [] -%}
    {%- for id in _upstream(model.unique_id)
        if id != model.unique_id and id in graph.nodes
        and graph.nodes[id].config.materialized == 'incremental' -%}
        {%- if '.int_files_loaded ' in graph.nodes[id].depends_on.nodes | join(' ') ~ ' ' -%}
            {%- do tables.append(graph.nodes[id].name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(tables) }}
{% endmacro %}


{% macro _literal(text) -%}
    {{ dbt.string_literal(dbt.escape_single_quotes(text | string)) }}
{%- endmacro %}


{#- The ids of the files that came, changed or went since the table was built; none outside of an
    increment. #}
{% macro changed_files(files_loaded) %}
    {%- set changed = [] -%}
    {%- if is_increment() -%}
        {%- set rows = run_query(
            "select coalesce(loaded.file_id, built.input) from " ~ files_loaded ~ " as loaded"
            ~ " full join (select input, version from raw.built_from where kind = 'file' and model = '"
            ~ model.name ~ "') as built on loaded.file_id = built.input"
            ~ " where loaded.version is distinct from built.version"
        ) -%}
        {%- for row in rows -%}
            {%- do changed.append(row[0]) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(changed) }}
{% endmacro %}


{#- A condition: the column names one of the files. A list of values, which reaches the raw tables. #}
{% macro in_files(column, files) -%}
    {%- if files -%}
        {{ column }} in (
            {%- for file in files %}{{ _literal(file) }}{{ ', ' if not loop.last }}{% endfor -%}
        )
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}


{#- A condition: the column names a unit of that kind that this run has changed; no condition where the
    table is built whole. #}
{% macro is_restated(unit, column) -%}
    {{ in_restated(unit, column) if is_increment() else 'true' }}
{%- endmacro %}


{#- A condition: the column names a unit of that kind that this run has changed. #}
{% macro in_restated(unit, column) -%}
    {{ column }} in (select restated.id from raw.restated as restated where restated.unit = '{{ unit }}')
{%- endmacro %}


{#- is_restated for a relation of events, by event, session or day. The unit `event_day` lists the days of
    restated events, and of one event at least of every restated session, which lasts no longer than so
    many hours: with the days as values, the engine passes over what is stored of all others. #}
{% macro is_restated_event(unit, session_max_hours=none) -%}
    {%- if not is_increment() -%}
        true
    {%- elif unit == 'day' -%}
        {{ is_restated_day('day', 'event_date') }}
    {%- else -%}
        {{ in_restated(unit, unit ~ '_id') }}
        and {{ on_days_of_restated(unit, 'event_date', session_max_hours) }}
    {%- endif -%}
{%- endmacro %}


{#- A condition: the date is one on which a restated event, or one of a restated session, may be. #}
{% macro on_days_of_restated(unit, date_column, session_max_hours) -%}
    {#- a local day may have 23 hours -#}
    {%- set around = 0 if unit == 'event' else
        (session_max_hours / 24) | round(0, 'ceil') | int + 1 -%}
    {{ _on_days(_restated_days('event_day', around), date_column) }}
{%- endmacro %}


{#- is_restated for a column of dates, with the days as values. -#}
{% macro is_restated_day(unit, column) -%}
    {{ _on_days(_restated_days(unit), column) if is_increment() else 'true' }}
{%- endmacro %}


{#- The days of a unit, and so many around each. A rejected record may be of any day. #}
{% macro _restated_days(unit, around=0) %}
    {%- set days = [] -%}
    {%- for row in run_query(
        "select distinct cast(restated.id as date) + around.distance from raw.restated as restated"
        ~ " cross join (values (" ~ range(-around, around + 1) | join("), (") ~ ")) as around (distance)"
        ~ " where restated.unit = '" ~ unit ~ "'"
        ~ " and length(restated.id) = 10 and restated.id < '9000' order by 1"
    ).rows -%}
        {%- do days.append(row[0]) -%}
    {%- endfor -%}
    {{ return(days) }}
{% endmacro %}


{% macro _on_days(days, column) -%}
    {%- if days -%}
        {{ column }} in (
            {%- for day in days %}cast('{{ day }}' as date){{ ', ' if not loop.last }}{% endfor -%}
        )
    {%- else -%}
        false
    {%- endif -%}
{%- endmacro %}


{#- A condition: the column names a file that holds such events of the relation `events`; no condition where
    the table is built whole. A list of values, as in in_files: without it, raw records of all history are
    unpacked before a join leaves out all but these. #}
{% macro in_files_of_restated(unit, events, file_column) -%}
    {%- if is_increment() -%}
        {{ in_files_of(events, is_restated_event(unit), file_column) }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}


{#- A condition: the column names a file that holds such `events`. #}
{% macro in_files_of(events, condition, file_column) -%}
    {%- set files = [] -%}
    {%- for row in run_query(
        'select distinct events.file_id from ' ~ events ~ ' as events where ' ~ condition
    ) -%}
        {%- do files.append(row[0]) -%}
    {%- endfor -%}
    {{ in_files(file_column, files) }}
{%- endmacro %}


{#- Replaces what the model gives anew: all units of `meta.unit` that this run has changed, and any
    other whose key comes up. `meta.passes_on` lists the units that change with them, each with the
    column that tells which; `meta.passes_on_where_it_differs` those that change with its rows alone. #}
{% macro get_incremental_restate_sql(arguments) %}
    {%- set target = arguments.target_relation -%}
    {%- set new = arguments.temp_relation -%}
    {%- set columns = arguments.dest_columns | map(attribute='quoted') | join(', ') -%}
    {%- set key = arguments.unique_key -%}
    {%- set replaced -%}
        cast({{ key }} as {{ dbt.type_string() }}) in (
            select restated.id from raw.restated as restated
            where restated.unit = '{{ config.get('meta').unit }}'
            union
            select cast(new.{{ key }} as {{ dbt.type_string() }}) from {{ new }} as new
        )
    {%- endset -%}
    {%- for unit, column in config.get('meta').get('passes_on', []) %}
    insert into raw.restated
    select '{{ unit }}', id from (
        select {{ column }} as id from {{ target }} where {{ replaced }}
        union
        select {{ column }} from {{ new }}
    ) as changed
    where id is not null;
    {%- endfor %}
    {%- for unit, column in config.get('meta').get('passes_on_where_it_differs', []) %}
    insert into raw.restated
    select distinct '{{ unit }}', {{ column }} from (
        (
            select {{ columns }} from {{ target }} where {{ replaced }}
            except all
            select {{ columns }} from {{ new }}
        )
        union all
        (
            select {{ columns }} from {{ new }}
            except all
            select {{ columns }} from {{ target }} where {{ replaced }}
        )
    ) as differences
    where {{ column }} is not null;
    {%- endfor %}
    delete from {{ target }} where {{ replaced }};
    insert into {{ target }} ({{ columns }}) select {{ columns }} from {{ new }};
{% endmacro %}


{#- Puts right the rows that differ from a result that was computed whole, and passes on that they do. #}
{% macro get_incremental_difference_sql(arguments) %}
    {%- set target = arguments.target_relation -%}
    {%- set new = arguments.temp_relation -%}
    {%- set columns = arguments.dest_columns | map(attribute='quoted') | join(', ') -%}
    {%- set key = arguments.unique_key %}
    create or replace temp table rows_that_differ as
    select * from (
        (select {{ columns }} from {{ target }} except all select {{ columns }} from {{ new }})
        union all
        (select {{ columns }} from {{ new }} except all select {{ columns }} from {{ target }})
    ) as differences;
    {%- for unit, column in config.get('meta').get('passes_on', []) %}
    insert into raw.restated
    select distinct '{{ unit }}', {{ column }} from rows_that_differ where {{ column }} is not null;
    {%- endfor %}
    delete from {{ target }} where {{ key }} in (select {{ key }} from rows_that_differ);
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ new }} where {{ key }} in (select {{ key }} from rows_that_differ);
    drop table rows_that_differ;
{% endmacro %}
