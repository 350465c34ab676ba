"""Reader `json`: JSON lines; also one top-level array, or pretty-printed objects.

Here lines become records that begin as objects do; `json_rows` inserts them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any

import duckdb

from orchestration.loading.fields import count_json_texts
from orchestration.loading.formats import json_documents, json_rows, json_verdict
from orchestration.loading.formats.common import PartOutcome, TextLoad
from orchestration.loading.formats.nested_records import Exploder, other_fields_of_enclosing
from orchestration.loading.inserting import Delivery
from orchestration.loading.mapping import nesting_of, origins_of
from orchestration.loading.parts import Part
from orchestration.loading.text import Batch, Rejection, read_batches, read_blocks
from orchestration.sources import Format

# A line of nested records may be long, and DuckDB holds a thousand or two of them at a time.
NESTED_PART_BYTES = 16 << 20

_DELIMITER = "\x01"
_BEGINNING = set(b"{")


def recognises(head: bytes) -> bool:
    """Tell whether the content begins as JSON objects or an array do."""
    return head.lstrip()[:1] in (b"{", b"[")


def prepare(chunks: Iterator[bytes], delivery: Delivery, fmt: Format) -> TextLoad:
    """Return the records of JSON lines, an array or documents, and how to insert them."""
    head, more = next(chunks, b""), next(chunks, b"")
    everything = chain([head, more], chunks)
    layout = json_documents.layout_of(head, is_whole=not more)
    if layout == "lines":
        batches = read_batches(read_blocks(everything))
    else:
        batches = json_documents.read_documents(everything, is_array=layout == "array")
    origins = origins_of(delivery.raw_table, delivery.source, fmt)
    nesting = nesting_of(delivery.source, fmt)
    count_fields = partial(count_json_texts, delivery.work_dir)
    if nesting is not None:
        plan = json_rows.mapped_plan(delivery, origins, other_fields_of_enclosing(nesting))
        insert = partial(_insert_nested, plan, Exploder(nesting, origins))
        lines = _objects_only(batches, plan.types)
        return TextLoad(lines, _DELIMITER, insert, count_fields, part_bytes=NESTED_PART_BYTES)
    is_mapped = delivery.raw_table.mapped
    plan = json_rows.mapped_plan(delivery, origins) if is_mapped else json_rows.typed_plan(delivery)
    records = _objects_only(batches, plan.types)

    def read_alone(record: bytes) -> Iterator[Batch]:
        return _objects_only(read_batches(read_blocks([record])), plan.types)

    if is_mapped:
        insert = partial(json_rows.insert_lines, plan)
        return TextLoad(
            records,
            _DELIMITER,
            insert,
            count_fields,
            layout=("json", fmt.name),
            read_alone=read_alone,
        )
    return TextLoad(
        map(_without_brace, records),
        _DELIMITER,
        partial(json_rows.insert_numbered_objects, plan),
        partial(count_fields, beginning=b"{"),
        prefix=json_rows.NUMBERS_IN_OBJECT,
        first_line=json_rows.FIRST_LINE,
        layout=("json", fmt.name),
        read_alone=lambda record: map(_without_brace, read_alone(record)),
    )


def _insert_nested(
    plan: json_rows.Plan, exploder: Exploder, connection: duckdb.DuckDBPyConnection, part: Part
) -> PartOutcome:
    found = exploder.explode(connection, part)
    outcome = json_rows.insert_carefully(
        connection,
        plan,
        found.relation,
        found.read,
        found.rejections,
        unterminated_rows=frozenset(),
    )
    return replace(outcome, passed_over=found.passed_over)


def _without_brace(batch: Batch) -> Batch:
    return replace(batch, lines=[line[1:] for line in batch.lines])


def _objects_only(batches: Iterable[Batch], types: dict[str, Any]) -> Iterator[Batch]:
    """Yield the batches with every record on one safe line that begins as an object does."""
    for batch in batches:
        if batch.is_quoted or set(map(itemgetter(0), batch.lines)) - _BEGINNING:
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
