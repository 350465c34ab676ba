{#- A text id from its parts: nulls and boundaries count, so ('a', null) is not (null, 'a'). #}
{% macro stable_id(parts) -%}
    md5(concat_ws(chr(31),
        {%- for part in parts %}
        coalesce(cast({{ part }} as {{ dbt.type_string() }}), chr(30))
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    ))
{%- endmacro %}
