"""What a strict parser says of one JSON record: the reason why it is not loaded, or nothing."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, NoReturn

from orchestration.loading.text import Batch, rejected_bytes

MAX_DEPTH = 1000

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_AS_BRACKETS = bytes.maketrans(b"{}", b"[]")
_MAX_ROUNDS = 50

Verdict = tuple[str, str]

_NOT_VALID = "invalid_json", "an escape that stands for no character"


_INTEGER_TYPES = ("bigint", "integer", "smallint", "hugeint", "ubigint", "tinyint")


class _Members(list):
    """The members of an object, in order, repeated names included."""


def verdict_on(
    text: str,
    *,
    types: Mapping[str, Any],
    is_valid: bool = True,
    is_unterminated: bool = False,
) -> Verdict | None:
    """Return reason and detail where the record may not be loaded.

    `is_valid` is what DuckDB says, whose parser alone sees some escapes.
    """
    try:
        record = _parse(text)
    except json.JSONDecodeError as error:
        if is_unterminated and _breaks_off(text, error):
            return "truncated_record", f"the file ends within the record ({error.msg})"
        return "invalid_json", f"{error.msg} at character {error.pos + 1}"
    except _NotStandard as error:
        return "invalid_json", f"{error} is no JSON value"
    except RecursionError:
        return None if is_valid else _NOT_VALID
    if not isinstance(record, _Members):
        return "not_an_object", f"expected an object, found {text[:80]!r}"
    repeated = _repeated(record)
    for name, value in record:
        if name in types:
            repeated += _repeated_within(value, types[name], name)
    if repeated:
        return "duplicate_key", f"twice in the record: {', '.join(map(repr, repeated[:10]))}"
    mismatch = _container_mismatch(record, types)
    if mismatch is not None:
        return "wrong_type", mismatch
    return None if is_valid else _NOT_VALID


def mismatch_in(text: str, types: Mapping[str, Any]) -> str:
    """Return which field of the record does not fit the type of its column."""
    for name, value in _parse(text):
        if name in types and (found := _leaf_mismatch(value, types[name], name)):
            return found
    return "a value does not fit the type of its column"


def without_too_deep(batch: Batch) -> Batch:
    """Return the batch with the records that nest too deep rejected."""
    if batch.longest <= 2 * MAX_DEPTH:
        return batch
    suspects = {
        number
        for number, line in enumerate(batch.lines)
        if len(line) > 2 * MAX_DEPTH and line.count(b"[") + line.count(b"{") > MAX_DEPTH
        if _is_too_deep(line)
    }
    if not suspects:
        return batch
    rejections = list(batch.rejections)
    kept: list[tuple[int, int, bytes]] = []
    positions = zip(batch.row_numbers, batch.line_numbers, batch.lines, strict=True)
    for number, (row, line_number, line) in enumerate(positions):
        if number in suspects:
            detail = f"nested deeper than {MAX_DEPTH:,} levels"
            rejection = rejected_bytes(line, "too_deep", detail, row, line_number, 0)
            rejections.append(replace(rejection, raw=None, byte_offset=None))
        else:
            kept.append((row, line_number, line))
    return replace(
        batch,
        row_numbers=[row for row, _, _ in kept],
        line_numbers=[line_number for _, line_number, _ in kept],
        lines=[line for _, _, line in kept],
        rejections=rejections,
    )


class _NotStandard(ValueError):
    """NaN, Infinity or -Infinity."""


def _refuse_constant(name: str) -> NoReturn:
    raise _NotStandard(name)


def _parse(text: str) -> Any:
    return json.loads(
        text,
        object_pairs_hook=_Members,
        parse_constant=_refuse_constant,
        parse_int=_Number,
        parse_float=_Number,
    )


class _Number(str):
    """A number as it is written."""


def _breaks_off(text: str, error: json.JSONDecodeError) -> bool:
    rest = text[error.pos :].strip()
    return text.lstrip().startswith(("{", "[")) and (
        error.msg.startswith(("Unterminated string", "Invalid \\u", "Invalid \\escape"))
        or not rest
        or any(word.startswith(rest) for word in ("true", "false", "null", "-"))
    )


def _repeated(members: _Members) -> list[str]:
    counts = Counter(name for name, _ in members)
    return sorted(name for name, count in counts.items() if count > 1)


def _repeated_within(value: Any, data_type: Any, at: str) -> list[str]:
    """Return the names that stand twice in an object of which a struct would keep one value."""
    found: list[str] = []
    if data_type.id == "struct" and isinstance(value, _Members):
        fields = dict(data_type.children)
        found += [f"{at}.{name}" for name in _repeated(value)]
        for name, child in value:
            if name in fields:
                found += _repeated_within(child, fields[name], f"{at}.{name}")
    elif data_type.id == "list" and isinstance(value, list) and not isinstance(value, _Members):
        for number, child in enumerate(value):
            found += _repeated_within(child, data_type.children[0][1], f"{at}[{number}]")
    return found


def _container_mismatch(record: _Members, types: Mapping[str, Any]) -> str | None:
    for name, value in record:
        if name in types and (found := _shape_mismatch(value, types[name], name)):
            return found
    return None


def _shape_mismatch(value: Any, data_type: Any, at: str) -> str | None:
    """Return where a scalar or the wrong container stands for an object or an array.

    Also where a number with a fraction stands for an integer, which DuckDB would round.
    """
    if value is None:
        return None
    if data_type.id == "struct":
        if not isinstance(value, _Members):
            return f"{at} is {_shown(value)}; expected an object"
        fields = dict(data_type.children)
        found = (
            _shape_mismatch(child, fields[name], f"{at}.{name}")
            for name, child in value
            if name in fields
        )
        return next((each for each in found if each), None)
    if data_type.id in _INTEGER_TYPES and isinstance(value, str) and _is_fraction(value):
        return f"{at} is {value[:80]}; expected {str(data_type).lower()}"
    if data_type.id == "list":
        if not isinstance(value, list) or isinstance(value, _Members):
            return f"{at} is {_shown(value)}; expected an array"
        element = data_type.children[0][1]
        found = (
            _shape_mismatch(child, element, f"{at}[{number}]") for number, child in enumerate(value)
        )
        return next((each for each in found if each), None)
    return None


def _leaf_mismatch(value: Any, data_type: Any, at: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, _Members) and data_type.id == "struct":
        fields = dict(data_type.children)
        found = (
            _leaf_mismatch(child, fields[name], f"{at}.{name}")
            for name, child in value
            if name in fields
        )
        return next((each for each in found if each), None)
    if isinstance(value, list) and data_type.id == "list":
        element = data_type.children[0][1]
        found = (_leaf_mismatch(child, element, at) for child in value)
        return next((each for each in found if each), None)
    if data_type.id in ("varchar", "json"):
        return None
    if data_type.id in _INTEGER_TYPES:
        is_good = isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d+\s*", value) is not None
    elif data_type.id in ("double", "float"):
        is_good = isinstance(value, str) and _is_float(value)
    elif data_type.id == "boolean":
        is_good = isinstance(value, bool)
    else:
        return None
    return None if is_good else f"{at} is {_shown(value)}; expected {str(data_type).lower()}"


def _is_fraction(text: str) -> bool:
    try:
        number = Decimal(text.strip())
        return number.is_finite() and number != number.to_integral_value()
    except ArithmeticError:
        return False


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _shown(value: Any) -> str:
    if isinstance(value, _Members):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return value[:80] if isinstance(value, _Number) else json.dumps(value)[:80]


def _is_too_deep(line: bytes) -> bool:
    brackets = _STRING.sub(b"", line).translate(_AS_BRACKETS, _NO_BRACKETS)
    # each round takes the innermost pairs away; long lines are seldom deep
    for taken in range(_MAX_ROUNDS):
        if taken + len(brackets) <= MAX_DEPTH:
            return False
        brackets = brackets.replace(b"[]", b"")
    depth = _MAX_ROUNDS
    for bracket in brackets:
        depth += 1 if bracket == ord("[") else -1
        if depth > MAX_DEPTH:
            return True
    return False
