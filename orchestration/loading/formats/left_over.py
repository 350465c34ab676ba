"""What records nest in a column and the twin does not declare: found, and kept as JSON. Pure."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from orchestration.loading.warehouse import identifier, literal

_MAX_MEMBERS = 200
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|.)")


class NamesClash(Exception):
    """Members that no struct can hold side by side: too many, or alike but for case."""


def left_over(sql: str, found: Any, wanted: Any, depth: int = 0) -> str | None:
    """Return the JSON text of what `found` holds and `wanted` does not, None if there is none.

    The text is null where the value holds nothing more, and in the order of the names, so it
    depends on the record alone and not on what others of its file hold.
    """
    if found.id == wanted.id == "struct":
        expected = dict(wanted.children)
        members: list[str] = []
        for name, child in sorted(found.children):
            inner = f"{sql}.{identifier(name)}"
            if name in expected:
                text = left_over(inner, child, expected[name], depth)
            else:
                text = _json_text(inner, child)
            if text is not None:
                members.append(member(name, text))
        return object_of(members) if members else None
    if found.id == wanted.id == "list":
        element = f"element{depth}"
        text = left_over(element, found.children[0][1], wanted.children[0][1], depth + 1)
        if text is None:
            return None
        kept = f"list_transform({sql}, lambda {element}: coalesce({text}, '{{}}'))"
        is_any = f"len(list_filter({sql}, lambda {element}: ({text}) is not null)) > 0"
        return f"case when {is_any} then '[' || array_to_string({kept}, ',') || ']' end"
    return None


def _json_text(sql: str, data_type: Any) -> str:
    if str(data_type) == "JSON":
        return f"nullif({sql}::varchar, 'null')"
    return f"nullif(nullif(json_strip_nulls(to_json({sql}))::varchar, 'null'), '{{}}')"


def member(name: str, text: str) -> str:
    """Return the member of that name as SQL text, null where `text` is."""
    return f"{literal(_as_json(name) + ':')} || {text}"


def _as_json(name: str) -> str:
    """Return the name as DuckDB writes it."""
    text = json.dumps(name, ensure_ascii=False)
    return _ESCAPE.sub(lambda found: f"\\u{found[1].upper()}" if found[1] else found[0], text)


def object_of(members: Sequence[str]) -> str:
    """Return the JSON object of those members that are not null, null where none is."""
    if not members:
        return "null"
    return f"('{{' || nullif(concat_ws(',', {', '.join(members)}), '') || '}}')"


def widened(wanted: Any, structures: Iterable[Any]) -> str:
    """Return the SQL type with a JSON member for each that the JSON structures have besides."""
    held = list(structures)
    if wanted.id == "list":
        elements = [each[0] for each in held if isinstance(each, list)]
        return f"{widened(wanted.children[0][1], elements)}[]"
    if wanted.id != "struct":
        return str(wanted)
    objects = [each for each in held if isinstance(each, dict)]
    types = {
        name: widened(child, (each[name] for each in objects if name in each))
        for name, child in wanted.children
    }
    for each in objects:
        types |= {name: "json" for name in each if name not in types}
    folded = {name.lower() for name in types}
    if len(folded) < len(types) or len(types) > _MAX_MEMBERS or "" in folded:
        raise NamesClash
    fields = ", ".join(f"{identifier(name)} {data_type}" for name, data_type in types.items())
    return f"struct({fields})"


def example_of(data_type: Any) -> Any:
    """Return a value from which DuckDB infers the type."""
    if data_type.id == "struct":
        return {name: example_of(child) for name, child in data_type.children}
    if data_type.id == "list":
        return [example_of(data_type.children[0][1])]
    if str(data_type) == "JSON":
        return {}
    return {"bigint": 1, "integer": 1, "double": 0.5, "boolean": True}.get(data_type.id, "x")
