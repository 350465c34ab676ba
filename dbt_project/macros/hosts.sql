{#- Whether `host` is `domain` or lies below it: whole labels only, so notgoogle.com is not google.com. #}
{% macro is_host_or_subdomain(host, domain) -%}
    ({{ host }} = {{ domain }} or {{ host }} like '%.' || {{ domain }})
{%- endmacro %}

{#- The host less `www.`, which names the site itself: checkout.shop.example lies below www.shop.example. #}
{% macro without_www(host) -%}
    case when {{ host }} like 'www.%.%' then substring({{ host }}, 5) else {{ host }} end
{%- endmacro %}

{#- Whether `host` is one of the source's own hosts (comma separated) or lies below one. #}
{% macro is_own_host(host, own_hosts) -%}
    coalesce(
        {{ matches(
            "lower(" ~ host ~ ")",
            "'(^|\\.)(' || replace(replace(replace(" ~ own_hosts ~ ", ' ', ''), '.', '\\.'), ',', '|') || ')$'"
        ) }},
        false
    )
{%- endmacro %}
