{#- Parts of an address, which may also be a path alone (access logs). Null where absent. #}
{% macro url_host(url) -%}
    {#- most addresses are of the web and name no user: their pattern takes less than half the time -#}
    lower(coalesce(
        case
            when not contains({{ url }}, '@') then {{ extract_match(url, "'^https?://([^/?#:]+)'") }}
        end,
        {{ extract_match(url, "'^[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]+)'") }}
    ))
{%- endmacro %}

{% macro url_path(url) -%}
    coalesce(
        {{ extract_match(url, "'^(?:[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*)?(/[^?#]*)'") }},
        case when {{ url }} is not null then '/' end
    )
{%- endmacro %}

{#- The decoded value of a query parameter, as it stands where it cannot be decoded; the name must stand
    alone: `source` is not `utm_source`. #}
{% macro url_parameter(url, name) -%}
    {%- set value = extract_match(url, "'[?&]" ~ name ~ "=([^&#]*)'") -%}
    case
        when contains({{ url }}, '{{ name }}=') then coalesce({{ url_decoded(value) }}, {{ value }})
    end
{%- endmacro %}
