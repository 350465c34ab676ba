"""Readers, one per physical format, none for a vendor; and which of them reads a file."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from orchestration.loading.containers import PARQUET_MAGIC, Content, text_of, write_unpacked
from orchestration.loading.formats import (
    avro,
    delimited,
    json_text,
    lines,
    parquet,
    w3c,
)
from orchestration.loading.formats.common import TableLoad, TextLoad
from orchestration.loading.inserting import Delivery
from orchestration.loading.reasons import FileRefused
from orchestration.sources import Format

_PREPARE_TEXT = {
    "json": json_text.prepare,
    "csv": delimited.prepare,
    "lines": lines.prepare,
    "w3c": w3c.prepare,
    # What Avro is read into.
    "avro": json_text.prepare,
}
_READER_OF_SUFFIX = {
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "csv",
}
_MAGICS = {"parquet": PARQUET_MAGIC, "avro": avro.MAGIC}
_TITLES = {"parquet": "Parquet", "avro": "Avro"}


def prepare(content: Content, delivery: Delivery) -> TextLoad | TableLoad:
    """Return the records in the format that the content, then its name, suggests."""
    reader = _binary_reader(content)
    if reader is None:
        return prepare_as(_text_format(content, delivery), text_of(content), delivery)
    accepted = _accepted(delivery)
    fmt = next((each for each in accepted if each.reader == reader), None)
    if fmt is None:
        names = ", ".join(each.name for each in accepted)
        raise FileRefused("format_not_accepted", f"it is {_TITLES[reader]}; expected {names}")
    if reader == "avro":
        return prepare_as(fmt, avro.json_lines(content.chunks), delivery)
    path = write_unpacked(content, delivery.work_dir)
    insert = partial(parquet.insert, delivery)
    # Where one is unpacked to, the next will be.
    layout = None if content.path is None else "parquet"
    return TableLoad(path, insert, layout, fmt.name)


def prepare_as(fmt: Format, chunks: Iterator[bytes], delivery: Delivery) -> TextLoad:
    """Return the records of a text in that format."""
    return replace(_PREPARE_TEXT[fmt.reader](chunks, delivery, fmt), format_name=fmt.name)


def _binary_reader(content: Content) -> str | None:
    """Return which reader reads the content, None for text; refuse what only claims to be such."""
    for reader, magic in _MAGICS.items():
        if content.head.startswith(magic):
            return reader
    claimed = Path(content.name).suffix.removeprefix(".")
    if claimed in _MAGICS:
        detail = f"its first bytes are not those of {_TITLES[claimed]}"
        raise FileRefused(f"{claimed}_invalid", detail)
    return None


def _accepted(delivery: Delivery) -> tuple[Format, ...]:
    source, formats = delivery.source, delivery.raw_table.formats
    if source.format is not None:
        return (delivery.raw_table.format_named(source.format),)
    if source.records is not None or source.only:
        return tuple(each for each in formats if each.reader == "json")
    return formats


def _text_format(content: Content, delivery: Delivery) -> Format:
    accepted = _accepted(delivery)
    formats = [each for each in accepted if each.reader not in _MAGICS]
    if not formats:
        expected = " or ".join(_TITLES[each.reader] for each in accepted)
        raise FileRefused("format_not_accepted", f"it is text; expected {expected}")
    for fmt in formats:
        if _recognises(content.head, delivery, fmt):
            return fmt
    reader = _READER_OF_SUFFIX.get(Path(content.name).suffix)
    return next((each for each in formats if each.reader == reader), formats[0])


def _recognises(head: bytes, delivery: Delivery, fmt: Format) -> bool:
    if fmt.reader == "json":
        return json_text.recognises(head)
    if fmt.reader == "csv":
        return delimited.recognises(head, delivery, fmt)
    if fmt.reader == "w3c":
        return w3c.recognises(head)
    return lines.recognises(head, fmt)
