"""Reader `json`: JSON lines; also one top-level array, or pretty-printed objects.

Here lines become records that begin as objects do; `json_rows` inserts them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import duckdb

from orchestration.loading.formats import json_documents, json_rows, json_verdict
from orchestration.loading.formats.common import PartOutcome, TextLoad
from orchestration.loading.formats.nested_records import Exploder
from orchestration.loading.inserting import Delivery
from orchestration.loading.mapping import origins_of, used_keys
from orchestration.loading.parts import Part
from orchestration.loading.text import Batch, Rejection, read_batches, read_blocks
from orchestration.sources import Format

_DELIMITER = "\x01"


def recognises(head: bytes) -> bool:
    """Tell whether the content begins as JSON objects or an array do."""
    return head.lstrip()[:1] in (b"{", b"[")


def prepare(chunks: Iterator[bytes], delivery: Delivery, _format: Format) -> TextLoad:
    """Return the records of JSON lines, an array or documents, and how to insert them."""
    head = next(chunks, b"")
    everything = chain([head], chunks)
    layout = json_documents.layout_of(head)
    if layout == "lines":
        batches = read_batches(read_blocks(everything))
    else:
        batches = json_documents.read_documents(everything, is_array=layout == "array")
    plan = json_rows.plan_of(delivery)
    records = _objects_only(batches, plan.types)
    if delivery.source.records is not None:
        origins = origins_of(delivery.raw_table, delivery.source)
        exploder = Exploder(delivery.source.records, used_keys(origins, in_parent=True))
        return TextLoad(records, _DELIMITER, partial(_insert_elements, plan, exploder))

    def read_alone(record: bytes) -> Iterator[Batch]:
        return _objects_only(read_batches(read_blocks([record])), plan.types)

    if delivery.raw_table.mapped:
        insert = partial(json_rows.insert_lines, plan)
        return TextLoad(records, _DELIMITER, insert, layout="json", read_alone=read_alone)
    return TextLoad(
        map(_without_brace, records),
        _DELIMITER,
        partial(json_rows.insert_numbered_objects, plan),
        prefix=json_rows.NUMBERS_IN_OBJECT,
        layout="json",
        read_alone=lambda record: map(_without_brace, read_alone(record)),
    )


def _insert_elements(
    plan: json_rows.Plan, exploder: Exploder, connection: duckdb.DuckDBPyConnection, part: Part
) -> PartOutcome:
    relation, read, rejections = exploder.explode(connection, part)
    return json_rows.insert_carefully(
        connection, plan, relation, read, rejections, part.unterminated_row
    )


def _without_brace(batch: Batch) -> Batch:
    return replace(batch, lines=[line[1:] for line in batch.lines])


def _objects_only(batches: Iterable[Batch], types: dict[str, Any]) -> Iterator[Batch]:
    """Yield the batches with every record on one safe line that begins as an object does."""
    for batch in batches:
        if batch.is_quoted or any(line[:1] != b"{" for line in batch.lines):
            batch = _after_second_look(batch, types)
        yield json_verdict.without_too_deep(batch)


def _after_second_look(batch: Batch, types: dict[str, Any]) -> Batch:
    kept: list[tuple[int, int, bytes]] = []
    rejections = list(batch.rejections)
    for row, number, line in zip(batch.row_numbers, batch.line_numbers, batch.lines, strict=True):
        is_odd = b"\r" in line or b"\x01" in line or line.lstrip()[:1] != b"{"
        verdict = (
            json_verdict.verdict_on(
                line.decode(), types=types, is_unterminated=row == batch.unterminated_row
            )
            if is_odd
            else None
        )
        if verdict is None:
            # In sound JSON a carriage return can only be space between values.
            kept.append((row, number, line.replace(b"\r", b" ").lstrip()))
        else:
            rejections.append(Rejection(row, *verdict, text=line.decode(), line_number=number))
    return replace(
        batch,
        row_numbers=[row for row, _, _ in kept],
        line_numbers=[number for _, number, _ in kept],
        lines=[line for _, _, line in kept],
        is_quoted=False,
        rejections=rejections,
    )
