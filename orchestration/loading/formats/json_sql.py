"""SQL about the text of one JSON record that several readers need. Pure."""

import json
import re
from collections.abc import Iterable, Sequence

from orchestration.loading.mapping import Origin
from orchestration.loading.warehouse import literal

# What DuckDB's parser takes for a number.
_NO_NUMBER = r"-?(?i:nan|inf(?:inity)?)[\s,}\]]"


def is_doubtful(record: str, integers: Iterable[str] = (), *, is_quoted_too: bool = False) -> str:
    """Return the condition under which DuckDB may take what the standard or a type does not.

    Its parser takes NaN, Infinity and a trailing comma, its reader of lines a vertical tab or a
    form feed after the record, and a fraction under the name of an integer is rounded: one in
    quotes, too, unless the reader is strict. Text in strings that looks so is doubtful as well.
    """
    # A pattern that begins with one character is found seven times as fast as any other.
    after_colon = _matches(record, rf":\s*{_NO_NUMBER}")
    if integers := sorted(integers):
        number = r'"?-?\d*[.eE]' if is_quoted_too else r"-?\d+[.eE]"
        named = "|".join(re.escape(json.dumps(name)[1:-1]) for name in integers)
        may_be = _matches(record, rf":\s*(?:{number}|{_NO_NUMBER})")
        is_fraction = _matches(record, rf'"(?:{named})"\s*:\s*{number}')
        after_colon = f"case when {may_be} then {after_colon} or {is_fraction} else false end"
    conditions = [
        _matches(record, rf",\s*(?:[}}\]]|{_NO_NUMBER})"),
        _matches(record, rf"\[\s*{_NO_NUMBER}"),
        after_colon,
        f"not ends_with({record}, '}}') "
        f"and (contains({record}, chr(11)) or contains({record}, chr(12)))",
    ]
    return f"({' or '.join(conditions)})"


def _matches(record: str, pattern: str) -> str:
    return f"regexp_matches({record}, {literal(pattern)})"


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
