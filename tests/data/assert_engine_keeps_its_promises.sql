-- Each name of macros/engine means on this engine what engine.yml promises.
{{ config(meta={'dagster': {'ref': {'name': 'int_events_sessionized'}}}) }}
{%- set param = "[
    {'key': 'a', 'value': {'string_value': 'x', 'int_value': null, 'float_value': null, 'double_value': null}},
    {'key': 'b', 'value': {'string_value': null, 'int_value': 5, 'float_value': null, 'double_value': null}},
    {'key': 'a', 'value': {'string_value': 'y', 'int_value': null, 'float_value': null, 'double_value': null}}
]" %}
{%- set tagged_pairs = [
    '{"key":"s","value":{"stringValue":"x"}}',
    '{"key":"i","value":{"intValue":"9007199254740993"}}',
    '{"key":"n","value":{"intValue":5}}',
    '{"key":"d","value":{"doubleValue":1.5}}',
    '{"key":"nan","value":{"doubleValue":"NaN"}}',
    '{"key":"b","value":{"boolValue":false}}',
    '{"key":"y","value":{"bytesValue":"AQI="}}',
    '{"key":"a","value":{"arrayValue":{"values":[{"stringValue":"x"},{"intValue":"1"}]}}}',
    '{"key":"e","value":{"arrayValue":{}}}',
    '{"key":"m","value":{"kvlistValue":{"values":[{"key":"k","value":{"boolValue":true}}]}}}',
    '{"key":"o","value":{"kvlistValue":{}}}',
    '{"key":"v","value":{"arrayValue":{"values":[{"kvlistValue":{"values":[{"key":"k","value":{"intValue":1}}]}},{},null]}}}',
    '{"key":"z","value":{}}',
] -%}
{%- set plain_pairs = [
    '"s":"x"', '"i":9007199254740993', '"n":5', '"d":1.5', '"nan":"NaN"', '"b":false', '"y":"AQI="',
    '"a":["x",1]', '"e":[]', '"m":{"k":true}', '"o":{}', '"v":[{"k":1},null,null]', '"z":null',
] -%}
{%- set struct_fields = {'a': none, 'b': none, 'c': {'d': none, 'e': none}} -%}
{%- set values = "['null', '2', '\"y\"', '4']" -%}
{%- set cases = [
    (at_time_zone("timestamp '2026-07-01 12:00:00'", "'Europe/Berlin'"), '2026-07-01 10:00:00'),
    (at_time_zone("timestamp '2026-01-01 12:00:00'", "'Europe/Berlin'"), '2026-01-01 11:00:00'),
    (local_date("timestamp '2026-07-01 22:30:00'", 'Europe/Berlin'), '2026-07-02'),
    (local_date("timestamp '2026-07-01 22:30:00'", 'UTC'), '2026-07-01'),
    (timestamp_from_micros('1773484203123456'), '2026-03-14 10:30:03.123456'),
    (timestamp_from_micros('9223372036854775807'), none),
    (micros_from_timestamp("timestamp '2026-03-14 10:30:03.123456'"), '1773484203123456'),
    (parse_timestamp("'1793527200.25'", "'UTC'"), '2026-11-01 10:00:00.25'),
    (parse_timestamp("'2026-11-01T10:00:00.123456789+02:00'", "'UTC'"), '2026-11-01 08:00:00.123456'),
    (parse_timestamp("'2026-11-01 10:00:00'", "'Asia/Tokyo'"), '2026-11-01 01:00:00'),
    (parse_timestamp("'2026-02-30T00:00:00Z'", "'UTC'"), none),
    (parse_timestamp("'infinity'", "'UTC'"), none),
    (parse_timestamp("'99999999999999999'", "'UTC'"), '5138-11-16 09:46:39.999999'),
    (parse_log_timestamp("'17/May/2015:10:05:03 +0530'"), '2015-05-17 04:35:03'),
    (parse_log_timestamp("'17/05/2015'"), none),
    (matches("'xay'", "'a'"), 'true'),
    (matches("'xAy'", "'a'"), 'false'),
    (extract_match("'k=v&'", "'k=([^&]*)'"), 'v'),
    (extract_match("'k=&'", "'k=([^&]*)'"), none),
    (url_decoded("'a%20b+c'"), 'a b c'),
    (url_decoded("'100%zz'"), '100%zz'),
    (is_json("'{\"a\":1}'"), 'true'),
    (is_json("'{a'"), 'false'),
    (json_text("'{\"a\":{\"b\":\"c\"}}'", '$.a.b'), 'c'),
    (json_text("'{\"a\":1}'", '$.b'), none),
    (json_from({'a "x"': '1', 'b': 'null', 'c': "'d'"}), '{"a \\"x\\"":1,"c":"d"}'),
    (json_from({'b': 'null'}), '{}'),
    (json_of("{'a': 1, 'b': null, 'c': {'d': null}, 'e': [{'f': null}]}"), '{"a":1,"c":{},"e":[{"f":null}]}'),
    ("cast(" ~ has_elements("['a']") ~ " as varchar)", 'true'),
    ("cast(" ~ has_elements("[]") ~ " as varchar)", 'false'),
    ("cast(" ~ has_elements(no_texts()) ~ " as varchar)", 'false'),
    ("cast(" ~ has_elements("cast(null as int[])") ~ " as varchar)", none),
    (json_from({'b': '1'}, texts={'a': "'[2]'", 'c': 'cast(null as varchar)'}), '{"a":[2],"b":1}'),
    (json_of_struct("{'a': 'say \"x\"', 'b': null, 'c': {'d': cast(null as int), 'e': 1.5}}", struct_fields), '{"a":"say \\"x\\"","c":{"e":1.5}}'),
    (json_of_struct("{'a': 'say \"x\"', 'b': null, 'c': {'d': cast(null as int), 'e': 1.5}}", none), '{"a":"say \\"x\\"","c":{"e":1.5}}'),
    (json_of_struct("cast(null as struct(a int))", none), none),
    (json_of_struct("{'a': null, 'b': null, 'c': cast(null as struct(d int, e int))}", struct_fields), '{}'),
    (json_of_struct("cast(null as struct(a int, b int, c struct(d int, e int)))", struct_fields), none),
    ("cast(" ~ hash_of(["[{'a': 'x'}]", 'null']) ~ " = " ~ hash_of(["[{'a': 'x'}]", 'null']) ~ " as varchar)", 'true'),
    ("cast(" ~ hash_of(["[{'a': 'x'}]", 'null']) ~ " = " ~ hash_of(["[{'a': 'y'}]", 'null']) ~ " as varchar)", 'false'),
    (first_element(json_elements_with_prefix(
        "'{\"data\":[{\"s\":\"x/1\"},{\"s\":\"y/1\"},{\"s\":\"y/2\"}]}'", '$.data', '$.s', 'y/'
    )), '{"s":"y/1"}'),
    (value_of_key(param, keys_of(param), 'a') ~ '.string_value', 'x'),
    (value_of_key(param, keys_of(param), 'b') ~ '.int_value', '5'),
    (value_of_key(param, keys_of(param), 'c') ~ '.string_value', none),
    ("array_to_string(" ~ json_values_of(param ~ " || [{'key': 'n', 'value': null}]") ~ ", ' ')", '"x" 5 "y" null'),
    (json_text(json_of_keyed_list(param), '$.a'), 'x'),
    (json_text(json_of_keyed_list(param), '$.b'), '5'),
    (text_of_keyed_list(param) ~ ' = ' ~ text_of_keyed_list('list_reverse(' ~ param ~ ')'), 'true'),
    (text_of_keyed_list(param) ~ ' = ' ~ text_of_keyed_list(param ~ '[1:2]'), 'false'),
    (json_type_name("'\"1\"'"), 'text'),
    (json_type_name("'-1'"), 'integer'),
    (json_type_name("'18446744073709551615'"), 'integer'),
    (json_type_name("'1.0'"), 'number'),
    (json_type_name("'true'"), 'boolean'),
    (json_type_name("'[1]'"), 'list'),
    (json_type_name("'{}'"), 'object'),
    (json_type_name("'null'"), 'null'),
    ("array_to_string(" ~ json_member_names("'{\"b\":1,\"a\":null}'") ~ ", ' ')", 'b a'),
    ("array_to_string(" ~ json_member_values("'{\"b\":1,\"a\":\"x\",\"b\":[2]}'") ~ ", ' ')", '1 "x" [2]'),
    (json_member_values("cast(null as json)"), none),
    (first_json_named("['a', 'd', 'e']", "['a', 'd', 'e', 'd']", values), '2'),
    (first_json_named("['x', 'e']", "['a', 'd', 'e', 'd']", values), '"y"'),
    (first_json_named("['x']", "['a', 'd', 'e', 'd']", values), none),
    (first_json_named("['a']", "cast(null as varchar[])", "cast(null as json[])"), none),
    (json_merged("'{\"a\":1,\"b\":2}'", "'{\"b\":3}'"), '{"a":1,"b":3}'),
    (json_merged("null", "'{\"b\":3}'"), '{"b":3}'),
    (json_list(['1', "'x'"]), '[1,"x"]'),
    (edit_distance("'purchase'", "'purhcase'"), '1'),
    (edit_distance("'purchase'", "'purchasse'"), '1'),
    (edit_distance("'purchase'", "'parchise'"), '2'),
    (replace_matches("'addToCart'", "'([a-z])([A-Z])'", "'\\1_\\2'"), 'add_To_Cart'),
    (json_of_tagged_pairs("'[" ~ tagged_pairs | join(',') ~ "]'"), '{' ~ plain_pairs | join(',') ~ '}'),
    (json_of_tagged_pairs("cast(null as json)"), none),
    (json_of_tagged_pairs("'[]'"), '{}'),
    (json_of_tagged_value("'{\"stringValue\":\"a \\\"b\\\"\"}'"), '"a \\"b\\""'),
    (json_of_tagged_value("'{}'"), none),
    (json_of_tagged_value("cast(null as json)"), none),
] %}

with

cases as (
    {% for actual, expected in cases %}
    select
        {{ loop.index }} as case_number,
        cast({{ actual }} as varchar) as actual,
        {{ 'cast(null as varchar)' if expected is none else "'" ~ expected ~ "'" }} as expected
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select *
from cases
where actual is distinct from expected
