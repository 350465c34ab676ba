"""SQL about the text of one JSON record that several readers need. Pure."""

from collections.abc import Sequence

from orchestration.loading.mapping import Origin
from orchestration.loading.warehouse import literal

# DuckDB's parser takes NaN, Infinity and a trailing comma, its reader of lines a vertical tab or a
# form feed after the record; the standard does not. The first tests begin with a letter or a comma,
# which is searched for fast, and let some innocent text through to the second, which is exact but
# for strings.
_MAY_BE_LENIENT = (
    "(regexp_matches({0}, ',\\s*[}}\\]]') "
    "or regexp_matches({0}, '(?i)nan[\\s,}}\\]]') "
    "or regexp_matches({0}, '(?i)inf(?:inity)?[\\s,}}\\]]'))"
)
IS_LENIENT = (
    "(case when " + _MAY_BE_LENIENT + " then regexp_matches({0}, "
    "'[:\\[,\\s-](?i:nan|inf)|,\\s*[}}\\]]') else false end "
    "or (not ends_with({0}, '}}') and (contains({0}, chr(11)) or contains({0}, chr(12)))))"
)


def values_at(record: str, origins: Sequence[Origin]) -> str:
    """Return a list of the values at the origins' paths, as text or, where wanted, as JSON.

    Where each value stands in the list is told by `places_of`.
    """
    as_text = f"json_extract_string({record}, {_pointers(_texts(origins))})"
    if not any(origin.is_json for origin in origins):
        return as_text
    as_json = f"json_extract({record}, {_pointers(_jsons(origins))})::varchar[]"
    return f"list_concat({as_text}, {as_json})"


def columns_of(values: str, origins: Sequence[Origin]) -> dict[str, str]:
    """Return for each column its expression of the list that `values_at` makes."""
    ordered = [*_texts(origins), *_jsons(origins)]
    return {
        origin.column: f"nullif({values}[{place}], 'null')::json"
        if origin.is_json
        else f"{values}[{place}]"
        for place, origin in enumerate(ordered, start=1)
    }


def _texts(origins: Sequence[Origin]) -> list[Origin]:
    return [origin for origin in origins if not origin.is_json]


def _jsons(origins: Sequence[Origin]) -> list[Origin]:
    return [origin for origin in origins if origin.is_json]


def _pointers(origins: Sequence[Origin]) -> str:
    return "[" + ", ".join(literal(origin.pointer) for origin in origins) + "]::varchar[]"
