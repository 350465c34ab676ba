{#- What names have in common that differ by case, separators or plural only: "Add To Carts",
    add_to_cart and addToCart are one. Blank where the name has no letter and no digit. -#}
{% macro name_key(name) -%}
    replace(
        {{ replace_matches(
            "'_' || " ~ replace_matches(
                "lower(" ~ replace_matches(name, "'([a-z0-9])([A-Z])'", "'\\1_\\2'") ~ ")",
                "'[^\\pL\\pN]+'", "'_'"
            ) ~ " || '_'",
            "'([^s_])s_'", "'\\1_'"
        ) }},
        '_', ''
    )
{%- endmacro %}
