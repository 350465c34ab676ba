"""What the values of an Avro schema are in JSON: exact, and as text what JSON has no type for.

Decimals are text with all their digits; times are ISO 8601; bytes are text where they are UTF-8,
else base64. A time beyond the years 1 to 9999 stays the number that it is.
"""

import base64
import json
import struct
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from fastavro import parse_schema

Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1)
_NAMED = ("record", "error", "enum", "fixed")
_DIGITS = Context(prec=10_000)
# What a value of the type is in Python, which tells the branches of a union apart.
_IN_PYTHON: dict[str, type] = {
    "null": type(None),
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
    "enum": str,
    "bytes": bytes,
    "fixed": bytes,
    "array": list,
    "map": dict,
    "record": dict,
    "error": dict,
}


@dataclass(frozen=True)
class Schema:
    """A record's schema: how fastavro decodes an array of it, and what its values are in JSON."""

    fastavro: Any
    field_names: tuple[str, ...]
    to_json: Convert

    @property
    def options(self) -> dict[str, Any]:
        """Return what fastavro is to do: keep bytes that are no UTF-8, name records in unions."""
        return {
            "handle_unicode_errors": "surrogateescape",
            "return_record_name": True,
            "return_record_name_override": True,
        }


class UnusableSchema(ValueError):
    """A schema whose records cannot be read; the message says why."""


def read_schema(text: bytes) -> Schema:
    """Return the schema that stands in a file's header."""
    declared = json.loads(text)
    named: dict[str, Any] = {}
    parsed = parse_schema(declared, named_schemas=named)
    if not isinstance(parsed, dict) or parsed["type"] not in ("record", "error"):
        raise UnusableSchema("its values are no records")
    _refuse_unbounded(parsed, named)
    if _is_sizeless(parsed, named):
        raise UnusableSchema("its records take no bytes")
    return Schema(
        fastavro=parse_schema({"type": "array", "items": _plain(declared)}, named_schemas={}),
        field_names=tuple(field["name"] for field in parsed["fields"]),
        to_json=_converter(parsed, named) or (lambda record: record),
    )


def _plain(schema: Any) -> Any:
    """Return the schema without logical types: what they mean is decided here, in the open."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if isinstance(schema, dict):
        return {key: _plain(each) for key, each in schema.items() if key != "logicalType"}
    return schema


# ---------------------------------------------------------------- what would never end


def _refuse_unbounded(schema: Any, named: dict[str, Any], around: tuple[str, ...] = ()) -> None:
    """Refuse types that hold themselves, whose values could nest without end."""
    name, definition = _resolved(schema, named)
    if name is not None:
        if name in around:
            raise UnusableSchema(f"the type {name!r} holds itself")
        around = (*around, name)
    for child in _children(definition):
        _refuse_unbounded(child, named, around)
    is_array = isinstance(definition, dict) and definition.get("type") == "array"
    if is_array and _is_sizeless(definition["items"], named):
        raise UnusableSchema("the elements of an array take no bytes")


def _children(definition: Any) -> Iterator[Any]:
    if isinstance(definition, list):
        yield from definition
    elif isinstance(definition, dict):
        yield from (field["type"] for field in definition.get("fields", ()))
        yield from (definition[key] for key in ("items", "values") if key in definition)


def _is_sizeless(schema: Any, named: dict[str, Any]) -> bool:
    _, definition = _resolved(schema, named)
    if isinstance(definition, dict):
        if definition["type"] in ("record", "error"):
            return all(_is_sizeless(field["type"], named) for field in definition["fields"])
        return definition["type"] == "null" or definition.get("size") == 0
    return definition == "null"


def _resolved(schema: Any, named: dict[str, Any]) -> tuple[str | None, Any]:
    """Return name and definition of a type that has a name, else None and the schema."""
    if isinstance(schema, str) and schema in named:
        return schema, named[schema]
    if isinstance(schema, dict) and schema.get("type") in _NAMED:
        return schema["name"], schema
    return None, schema


# ---------------------------------------------------------------- conversions


def _converter(schema: Any, named: dict[str, Any]) -> Convert | None:
    """Return what makes JSON of a value, None where the value is JSON as it is."""
    _, definition = _resolved(schema, named)
    if isinstance(definition, list):
        return _union(definition, named)
    if isinstance(definition, str):
        return _BY_TYPE.get(definition)
    kind = definition["type"]
    if isinstance(kind, dict | list):
        return _converter(kind, named)
    logical = _logical(definition)
    if logical is not None:
        return logical
    if kind in ("record", "error"):
        return _record(definition, named)
    if kind in ("array", "map"):
        convert = _converter(definition["items" if kind == "array" else "values"], named)
        if convert is None:
            return None
        if kind == "array":
            return lambda values: [convert(each) for each in values]
        return lambda values: {key: convert(each) for key, each in values.items()}
    return _BY_TYPE.get(kind)


def _record(definition: dict[str, Any], named: dict[str, Any]) -> Convert | None:
    converters = [
        (field["name"], convert)
        for field in definition["fields"]
        if (convert := _converter(field["type"], named)) is not None
    ]
    if not converters:
        return None

    def convert_record(record: dict[str, Any]) -> dict[str, Any]:
        for name, convert in converters:
            record[name] = convert(record[name])
        return record

    return convert_record


def _union(branches: list[Any], named: dict[str, Any]) -> Convert | None:
    """Return what converts the value by its branch, as far as its Python type tells which."""
    records: dict[str, Convert | None] = {}
    by_type: dict[type, list[Convert | None]] = {}
    for branch in branches:
        name, definition = _resolved(branch, named)
        kind = definition if isinstance(definition, str) else definition["type"]
        if kind in ("record", "error"):
            records[name] = _converter(branch, named)
        else:
            by_type.setdefault(_IN_PYTHON[kind], []).append(_converter(branch, named))
    if len(records) == 1:
        by_type.setdefault(dict, []).extend(records.values())
    # Of two branches that look the same, no value tells which it is of: all bytes become text
    # alike, and a number stays a number.
    certain = {
        kind: _text_of_bytes if kind is bytes and len(found) > 1 else found[0]
        for kind, found in by_type.items()
        if len(found) == 1 or kind is bytes
    }
    chosen = {kind: convert for kind, convert in certain.items() if convert is not None}
    if len(records) < 2 and not chosen:
        return None

    def convert_union(value: Any) -> Any:
        if isinstance(value, tuple):
            name, value = value
            convert = records[name]
        else:
            convert = chosen.get(type(value))
        return value if convert is None else convert(value)

    return convert_union


def _logical(definition: dict[str, Any]) -> Convert | None:
    kind, logical = definition["type"], definition.get("logicalType")
    if logical == "decimal" and kind in ("bytes", "fixed"):
        scale = definition.get("scale", 0)
        return lambda value: _decimal(value, scale)
    if logical == "uuid" and kind == "fixed" and definition["size"] == 16:
        return lambda value: str(uuid.UUID(bytes=value))
    return _BY_LOGICAL_TYPE.get((kind, logical))


def _text_of_bytes(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def _decimal(value: bytes, scale: int) -> str:
    number = Decimal(int.from_bytes(value, "big", signed=True))
    return format(number.scaleb(-scale, _DIGITS), "f")


def _shortest(value: float) -> float:
    """Return the shortest number that is the same in 32 bits: 19.9, not 19.899999618530273."""
    for digits in (6, 7, 8):
        shorter = float(f"{value:.{digits}g}")
        if _in_32_bits(shorter) == value:
            return shorter
    return value


def _in_32_bits(value: float) -> float | None:
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return None


def _moment(per_second: int, zone: str) -> Convert:
    digits = len(str(per_second)) - 1

    def convert(value: int) -> str | int:
        seconds, fraction = divmod(value, per_second)
        try:
            moment = _EPOCH + timedelta(seconds=seconds)
        except OverflowError:
            return value
        return f"{moment.isoformat()}.{fraction:0{digits}}{zone}"

    return convert


def _time(per_second: int) -> Convert:
    digits = len(str(per_second)) - 1

    def convert(value: int) -> str | int:
        seconds, fraction = divmod(value, per_second)
        if not 0 <= seconds < 86_400:
            return value
        return (
            f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:0{digits}}"
        )

    return convert


def _date(value: int) -> str | int:
    try:
        return (date(1970, 1, 1) + timedelta(days=value)).isoformat()
    except OverflowError:
        return value


_BY_TYPE: dict[str, Convert] = {
    "bytes": _text_of_bytes,
    "fixed": _text_of_bytes,
    "float": _shortest,
}
_BY_LOGICAL_TYPE: dict[tuple[str, Any], Convert] = {
    ("int", "date"): _date,
    ("int", "time-millis"): _time(1_000),
    ("long", "time-micros"): _time(1_000_000),
    **{
        ("long", f"{prefix}timestamp-{unit}"): _moment(per_second, zone)
        for prefix, zone in (("", "Z"), ("local-", ""))
        for unit, per_second in (
            ("millis", 1_000),
            ("micros", 1_000_000),
            ("nanos", 1_000_000_000),
        )
    },
}
