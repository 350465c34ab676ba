{#-
    Views and seeds stay as they are until something in the project differs: to make all of them again
    is most of what a run costs that has little to do. `raw.built_from` says of each by which state of
    the project it was made; --full-refresh makes all of them again.
-#}

{% materialization view, adapter='duckdb' %}
    {%- if _is_kept() -%}
        {%- call noop_statement('main', 'KEPT') -%}{%- endcall -%}
        {{ return({'relations': [this.incorporate(type='view')]}) }}
    {%- endif -%}
    {{ return(dbt.materialization_view_default()) }}
{% endmaterialization %}


{% materialization seed, adapter='duckdb' %}
    {%- if _is_kept() -%}
        {%- call noop_statement('main', 'KEPT') -%}{%- endcall -%}
        {%- do store_result('agate_table', response='KEPT') -%}
        {{ return({'relations': [this.incorporate(type='table')]}) }}
    {%- endif -%}
    {{ return(dbt.materialization_seed_default()) }}
{% endmaterialization %}


{% macro _is_kept() %}
    {%- set known = graph.setdefault('kept_in_' ~ invocation_id, {}) -%}
    {%- if 'names' not in known -%}
        {%- set names = [] -%}
        {%- for row in _built_from("kind = 'project'", 'model') if row[1] == state_of_project() -%}
            {%- do names.append(row[0]) -%}
        {%- endfor -%}
        {%- do known.update({'names': names}) -%}
    {%- endif -%}
    {#- dbt looks into no seed of more than a megabyte -#}
    {{ return(
        not flags.FULL_REFRESH
        and model.name in known.names
        and model.checksum.name != 'path'
        and load_cached_relation(this) is not none
    ) }}
{% endmacro %}


{#- Before a run: what another state of the project made is not kept, even if this run is killed. #}
{% macro forget_relations_of_another_project() %}
    delete from raw.built_from
    where kind = 'project' and version != {{ _literal(state_of_project()) }}
{% endmacro %}


{#- After a run: what stands as this state of the project makes it. #}
{% macro record_relations(results) %}
    {%- set names = [] -%}
    {%- for result in results if result.status == 'success' and (
        result.node.resource_type == 'seed' or result.node.config.materialized == 'view'
    ) -%}
        {%- do names.append(_literal(result.node.name)) -%}
    {%- endfor -%}
    {%- if names -%}
        delete from raw.built_from where kind = 'project' and model in ({{ names | join(', ') }});
        insert into raw.built_from
        select model, 'project', 'state', {{ _literal(state_of_project()) }}
        from (values ({{ names | join('), (') }})) as made (model)
    {%- endif -%}
{% endmacro %}


{#- Tells one state of the project from another: its macros, nodes and raw tables with their descriptions,
    settings and target, and the versions of dbt and the engine. #}
{% macro state_of_project() %}
    {%- set known = graph.setdefault('kept_in_' ~ invocation_id, {}) -%}
    {%- if 'state' not in known -%}
        {%- set parts = [
            project_inputs(), dbt_version, target.name, target.schema, flags.EMPTY, flags.DEFER,
        ] | map('string') | list -%}
        {%- for node in graph.nodes.values() if node.resource_type in ['model', 'seed'] -%}
            {%- do parts.append(settings_named_in(node.raw_code) | string) -%}
            {%- do parts.append(tojson({
                'name': node.name, 'checksum': node.checksum.checksum, 'config': node.config,
                'description': node.description, 'columns': node.columns,
            }, none, true)) -%}
        {%- endfor -%}
        {%- for table in graph.sources.values() -%}
            {%- do parts.append(tojson({'name': table.name, 'columns': table.columns}, none, true)) -%}
        {%- endfor -%}
        {%- do known.update({'state': local_md5(parts | sort | join('\n'))}) -%}
    {%- endif -%}
    {{ return(known.state) }}
{% endmacro %}
