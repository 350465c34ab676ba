{#- The names that models may use for what engines spell differently. Promises: engine.yml. #}

{% macro at_time_zone(local_timestamp, zone) -%}
    {{ return(adapter.dispatch('at_time_zone', 'clickstream')(local_timestamp, zone)) }}
{%- endmacro %}

{% macro local_date(utc_timestamp, zone) -%}
    {{ return(adapter.dispatch('local_date', 'clickstream')(utc_timestamp, zone)) }}
{%- endmacro %}

{% macro timestamp_from_micros(micros) -%}
    {{ return(adapter.dispatch('timestamp_from_micros', 'clickstream')(micros)) }}
{%- endmacro %}

{% macro micros_from_timestamp(utc_timestamp) -%}
    {{ return(adapter.dispatch('micros_from_timestamp', 'clickstream')(utc_timestamp)) }}
{%- endmacro %}

{% macro parse_timestamp(text, zone) -%}
    {{ return(adapter.dispatch('parse_timestamp', 'clickstream')(text, zone)) }}
{%- endmacro %}

{% macro parse_log_timestamp(text) -%}
    {{ return(adapter.dispatch('parse_log_timestamp', 'clickstream')(text)) }}
{%- endmacro %}

{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches', 'clickstream')(text, pattern)) }}
{%- endmacro %}

{% macro extract_match(text, pattern, group_number=1) -%}
    {{ return(adapter.dispatch('extract_match', 'clickstream')(text, pattern, group_number)) }}
{%- endmacro %}

{% macro url_decoded(text) -%}
    {{ return(adapter.dispatch('url_decoded', 'clickstream')(text)) }}
{%- endmacro %}

{% macro is_json(text) -%}
    {{ return(adapter.dispatch('is_json', 'clickstream')(text)) }}
{%- endmacro %}

{% macro json_text(json, path) -%}
    {{ return(adapter.dispatch('json_text', 'clickstream')(json, path)) }}
{%- endmacro %}

{% macro json_from(pairs, texts={}) -%}
    {{ return(adapter.dispatch('json_from', 'clickstream')(pairs, texts)) }}
{%- endmacro %}

{% macro json_of_row(relation) -%}
    {{ return(adapter.dispatch('json_of_row', 'clickstream')(relation)) }}
{%- endmacro %}

{% macro json_of(value) -%}
    {{ return(adapter.dispatch('json_of', 'clickstream')(value)) }}
{%- endmacro %}

{% macro json_of_struct(struct, fields) -%}
    {{ return(adapter.dispatch('json_of_struct', 'clickstream')(struct, fields)) }}
{%- endmacro %}

{% macro keys_of(keyed_list) -%}
    {{ return(adapter.dispatch('keys_of', 'clickstream')(keyed_list)) }}
{%- endmacro %}

{% macro value_of_key(keyed_list, keys, key) -%}
    {{ return(adapter.dispatch('value_of_key', 'clickstream')(keyed_list, keys, key)) }}
{%- endmacro %}

{% macro json_values_of(keyed_list) -%}
    {{ return(adapter.dispatch('json_values_of', 'clickstream')(keyed_list)) }}
{%- endmacro %}

{% macro json_of_keyed_list(keyed_list) -%}
    {{ return(adapter.dispatch('json_of_keyed_list', 'clickstream')(keyed_list)) }}
{%- endmacro %}

{% macro json_struct(json, structure) -%}
    {{ return(adapter.dispatch('json_struct', 'clickstream')(json, structure)) }}
{%- endmacro %}

{% macro json_elements_with_prefix(json, path, field, prefix) -%}
    {{ return(
        adapter.dispatch('json_elements_with_prefix', 'clickstream')(json, path, field, prefix)
    ) }}
{%- endmacro %}

{% macro no_texts() -%}
    {{ return(adapter.dispatch('no_texts', 'clickstream')()) }}
{%- endmacro %}

{% macro elements_with_position(list) -%}
    {{ return(adapter.dispatch('elements_with_position', 'clickstream')(list)) }}
{%- endmacro %}

{% macro has_elements(list) -%}
    {{ return(adapter.dispatch('has_elements', 'clickstream')(list)) }}
{%- endmacro %}

{% macro first_element(list) -%}
    {{ return(adapter.dispatch('first_element', 'clickstream')(list)) }}
{%- endmacro %}

{% macro left_join_next(relation, alias, equal_on, earlier, later) -%}
    {{ return(
        adapter.dispatch('left_join_next', 'clickstream')(relation, alias, equal_on, earlier, later)
    ) }}
{%- endmacro %}

{% macro list_in_order(value, order_by) -%}
    {{ return(adapter.dispatch('list_in_order', 'clickstream')(value, order_by)) }}
{%- endmacro %}

{% macro text_of_keyed_list(keyed_list) -%}
    {{ return(adapter.dispatch('text_of_keyed_list', 'clickstream')(keyed_list)) }}
{%- endmacro %}

{% macro json_type_name(json) -%}
    {{ return(adapter.dispatch('json_type_name', 'clickstream')(json)) }}
{%- endmacro %}

{% macro json_member_names(json) -%}
    {{ return(adapter.dispatch('json_member_names', 'clickstream')(json)) }}
{%- endmacro %}

{% macro json_member_values(json) -%}
    {{ return(adapter.dispatch('json_member_values', 'clickstream')(json)) }}
{%- endmacro %}

{% macro first_json_named(wanted, names, values) -%}
    {{ return(adapter.dispatch('first_json_named', 'clickstream')(wanted, names, values)) }}
{%- endmacro %}

{% macro json_merged(json, other_json) -%}
    {{ return(adapter.dispatch('json_merged', 'clickstream')(json, other_json)) }}
{%- endmacro %}

{% macro json_list(values) -%}
    {{ return(adapter.dispatch('json_list', 'clickstream')(values)) }}
{%- endmacro %}

{% macro edit_distance(text, other_text) -%}
    {{ return(adapter.dispatch('edit_distance', 'clickstream')(text, other_text)) }}
{%- endmacro %}

{% macro replace_matches(text, pattern, replacement) -%}
    {{ return(adapter.dispatch('replace_matches', 'clickstream')(text, pattern, replacement)) }}
{%- endmacro %}

{% macro row_position(timeline) -%}
    {{ return(adapter.dispatch('row_position', 'clickstream')(timeline)) }}
{%- endmacro %}

{% macro previous(value, timeline) -%}
    {{ return(adapter.dispatch('previous', 'clickstream')(value, timeline)) }}
{%- endmacro %}

{% macro latest(value, place, timeline) -%}
    {{ return(adapter.dispatch('latest', 'clickstream')(value, place, timeline)) }}
{%- endmacro %}

{% macro total_so_far(value, timeline) -%}
    {{ return(adapter.dispatch('total_so_far', 'clickstream')(value, timeline)) }}
{%- endmacro %}

{% macro json_of_tagged_pairs(json) -%}
    {{ return(adapter.dispatch('json_of_tagged_pairs', 'clickstream')(json)) }}
{%- endmacro %}

{% macro json_of_tagged_value(json) -%}
    {{ return(adapter.dispatch('json_of_tagged_value', 'clickstream')(json)) }}
{%- endmacro %}

{% macro memory_limit() -%}
    {{ return(adapter.dispatch('memory_limit', 'clickstream')()) }}
{%- endmacro %}

{% macro computed_once() -%}
    {{ return(adapter.dispatch('computed_once', 'clickstream')()) }}
{%- endmacro %}

{% macro hash_of(values) -%}
    {{ return(adapter.dispatch('hash_of', 'clickstream')(values)) }}
{%- endmacro %}
