"""JSON that is not in lines: one top-level array, or objects printed over several lines."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from orchestration.loading.reasons import FileRefused
from orchestration.loading.text import (
    MAX_RECORD_BYTES,
    Batch,
    Rejection,
    rejected_bytes,
    too_large,
    unsafe_bytes,
)

Layout = Literal["lines", "array", "documents"]

_SPACE = re.compile(r"[ \t\r\n]*")
_LINE_ENDS = re.compile(rb"[\r\n]+")
_MAX_DOCUMENT = 4 * MAX_RECORD_BYTES  # with its indentation
_BATCH_RECORDS = 10_000
_BATCH_BYTES = 1 << 20

# As far from the end of a cut text as an error may stand that the cut has made: two escapes.
_LONGEST_TOKEN = 12

# Numbers stay text: only the ends of the records matter here.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


def layout_of(head: bytes, *, is_whole: bool) -> Layout:
    """Return how the records stand in content that begins with `head`, or is no more than that."""
    text = head.decode("utf-8", "replace").lstrip(" \t\r\n")
    first_line, _, rest = text.partition("\n")
    if text.startswith("["):
        end = _end_of_value(first_line)
        is_alone = end is not None and not first_line[end:].strip()
        return "lines" if is_alone and rest.strip() else "array"
    if text.startswith("{") and rest and _end_of_value(first_line) is None:
        end = _end_of_value(text, is_cut=not is_whole)
        if end is not None and end > len(first_line):
            return "documents"
    return "lines"


def read_documents(chunks: Iterable[bytes], *, is_array: bool) -> Iterator[Batch]:
    """Yield the elements of the array, or the documents, as records of one line each."""
    row = 1
    lines: list[bytes] = []
    rows: list[int] = []
    line_numbers: list[int] = []
    rejections: list[Rejection] = []
    held_bytes = 0
    for line_number, text in _values(chunks, is_array=is_array):
        raw = _LINE_ENDS.sub(b" ", text.encode("utf-8", "surrogateescape"))
        problem = too_large(len(raw)) or unsafe_bytes(raw)
        if problem is None:
            rows.append(row)
            line_numbers.append(line_number)
            lines.append(raw)
        else:
            rejection = rejected_bytes(raw, *problem, row, line_number, 0)
            rejections.append(replace(rejection, byte_offset=None))
        row += 1
        held_bytes += len(raw)
        if held_bytes >= _BATCH_BYTES or len(rows) + len(rejections) >= _BATCH_RECORDS:
            yield _batch(rows, line_numbers, lines, rejections)
            rows, line_numbers, lines, rejections, held_bytes = [], [], [], [], 0
    if rows or rejections:
        yield _batch(rows, line_numbers, lines, rejections)


def _batch(
    rows: list[int], line_numbers: list[int], lines: list[bytes], rejections: list[Rejection]
) -> Batch:
    is_quoted = any(b"\x01" in line for line in lines)
    return Batch(rows, line_numbers, lines, is_quoted=is_quoted, rejections=rejections)


def _values(chunks: Iterable[bytes], *, is_array: bool) -> Iterator[tuple[int, str]]:
    """Yield the text of each value with the number of the line on which it begins."""
    decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
    pieces = iter(chunks)
    text, at, line = "", 0, 1
    is_done = False

    def more(wanted: int) -> bool:
        nonlocal text, at, is_done
        text, at = text[at:], 0
        while len(text) < wanted and not is_done:
            piece = next(pieces, None)
            is_done = piece is None
            text += decode(piece or b"", final=is_done)
        return not is_done

    def skip_space() -> str:
        nonlocal at, line
        while True:
            end = _SPACE.match(text, at).end()
            line += text.count("\n", at, end)
            at = end
            if at < len(text) or is_done:
                return text[at : at + 1]
            more(1)

    def broken(found: str) -> FileRefused:
        what = "array" if is_array else "document"
        return FileRefused("invalid_json", f"the JSON {what} is broken at line {line}: {found}")

    if is_array:
        skip_space()
        at += 1
        if skip_space() == "]":
            at += 1
            if skip_space():
                raise broken("text follows its end")
            return
    while skip_space():
        wanted = len(text) - at
        while True:
            try:
                _, end = _DECODER.raw_decode(text, at)
                if end < len(text) or is_done:
                    break
                problem = "its end"
            except json.JSONDecodeError as error:
                problem = error.msg
                if not _may_go_on(error):
                    raise broken(problem) from None
            except RecursionError:
                raise broken("nested too deep") from None
            if is_done:
                raise broken(problem)
            if len(text) - at > _MAX_DOCUMENT:
                raise broken(f"no end within {_MAX_DOCUMENT:,} characters")
            wanted = max(2 * wanted, 1 << 16)
            more(wanted)
        yield line, text[at:end]
        line += text.count("\n", at, end)
        at = end
        if is_array:
            separator = skip_space()
            at += 1
            if separator == "]":
                if skip_space():
                    raise broken("text follows its end")
                return
            if separator != ",":
                raise broken(f"expected a comma or ']', found {separator or 'its end'!r}")
            if not skip_space():
                raise broken("it breaks off")
    if is_array:
        raise broken("it breaks off")


def _end_of_value(text: str, *, is_cut: bool = False) -> int | None:
    """Return where the value ends, for one that a cut text breaks off its end; None for none."""
    try:
        return _DECODER.raw_decode(text)[1]
    except json.JSONDecodeError as error:
        return len(text) if is_cut and _may_go_on(error) else None
    except RecursionError:
        return None


def _may_go_on(error: json.JSONDecodeError) -> bool:
    """Tell whether more text could mend it: it breaks off, and nothing before is wrong."""
    is_in_string = error.msg.startswith("Unterminated string")
    return is_in_string or len(error.doc) - error.pos <= _LONGEST_TOKEN
