"""Readers, one per physical format, none for a vendor; and which of them reads a file."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from orchestration.loading.containers import is_parquet
from orchestration.loading.formats import delimited, json_text, lines
from orchestration.loading.formats.common import TextLoad
from orchestration.loading.inserting import Delivery
from orchestration.loading.reasons import FileRefused
from orchestration.sources import Format

_PREPARE = {"json": json_text.prepare, "csv": delimited.prepare, "lines": lines.prepare}
_READER_OF_SUFFIX = {
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "csv",
}


def parquet_format(path: Path, name: str, delivery: Delivery) -> Format | None:
    """Return the format of a Parquet file, None for others; refuse what only claims to be one."""
    accepted = _accepted(delivery)
    fmt = next((each for each in accepted if each.reader == "parquet"), None)
    if not is_parquet(path):
        if name.lower().endswith(".parquet"):
            raise FileRefused("parquet_invalid", "its first bytes are not those of Parquet")
        return None
    if fmt is None:
        names = ", ".join(each.name for each in accepted)
        raise FileRefused("format_not_accepted", f"it is Parquet; expected {names}")
    return fmt


def prepare_text(chunks: Iterator[bytes], name: str, delivery: Delivery) -> TextLoad:
    """Return the records of a text file in the format that its content, then its name, suggests."""
    head = next(chunks, b"")
    fmt = _text_format(head, name, delivery)
    return prepare_as(fmt, _again(head, chunks), delivery)


def prepare_as(fmt: Format, chunks: Iterator[bytes], delivery: Delivery) -> TextLoad:
    """Return the records of a text file in that format."""
    return replace(_PREPARE[fmt.reader](chunks, delivery, fmt), format_name=fmt.name)


def _again(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from chunks


def _accepted(delivery: Delivery) -> tuple[Format, ...]:
    if delivery.source.format is not None:
        return (delivery.raw_table.format_named(delivery.source.format),)
    return delivery.raw_table.formats


def _text_format(head: bytes, name: str, delivery: Delivery) -> Format:
    formats = [each for each in _accepted(delivery) if each.reader != "parquet"]
    if not formats:
        raise FileRefused("format_not_accepted", "it is text; expected Parquet")
    for fmt in formats:
        if _recognises(head, delivery, fmt):
            return fmt
    reader = _READER_OF_SUFFIX.get(Path(name.lower().removesuffix(".gz")).suffix)
    return next((each for each in formats if each.reader == reader), formats[0])


def _recognises(head: bytes, delivery: Delivery, fmt: Format) -> bool:
    if fmt.reader == "json":
        return json_text.recognises(head)
    if fmt.reader == "csv":
        return delimited.recognises(head, delivery, fmt)
    return lines.recognises(head, fmt)
