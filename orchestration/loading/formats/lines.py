"""Reader `lines`: one record per line, taken apart by a regular expression with named groups."""

import re
from collections.abc import Iterator
from functools import partial

import duckdb

from orchestration.loading.fields import FieldCounts, Samples, count_filled
from orchestration.loading.formats.common import PartOutcome, TextLoad
from orchestration.loading.inserting import Delivery, insert_rows
from orchestration.loading.parts import Part, part_relation
from orchestration.loading.rejections import Rejections
from orchestration.loading.text import Rejection, read_batches, read_blocks
from orchestration.loading.warehouse import identifier, literal, rows_of
from orchestration.sources import Format

_SAMPLED_LINES = 20


def recognises(head: bytes, fmt: Format) -> bool:
    """Tell whether one of the first lines has the shape of the pattern."""
    pattern = re.compile(fmt.options["pattern"])
    lines = head.decode("utf-8", "replace").splitlines()[:_SAMPLED_LINES]
    return any(pattern.search(line) for line in lines)


def prepare(chunks: Iterator[bytes], delivery: Delivery, fmt: Format) -> TextLoad:
    """Return the lines as records, and how to insert them."""
    batches = read_batches(read_blocks(chunks))
    insert = partial(_insert, delivery, fmt.options["pattern"])
    return TextLoad(
        batches,
        "\x01",
        insert,
        partial(_count_fields, re.compile(fmt.options["pattern"])),
        layout=fmt.name,
        read_alone=lambda line: read_batches(read_blocks([line])),
    )


def _count_fields(
    pattern: re.Pattern[str], _connection: duckdb.DuckDBPyConnection, samples: Samples
) -> dict[int, FieldCounts]:
    names = sorted(pattern.groupindex, key=pattern.groupindex.__getitem__)
    counts: dict[int, FieldCounts] = {}
    for number, sample in samples.items():
        found = (pattern.search(line.decode()) for line in sample)
        rows = [[match[name] for name in names] for match in found if match]
        counts[number] = count_filled(names, rows)
    return counts


def _insert(
    delivery: Delivery, pattern: str, connection: duckdb.DuckDBPyConnection, part: Part
) -> PartOutcome:
    groups = sorted(re.compile(pattern).groupindex.items(), key=lambda item: item[1])
    names = ["whole line", *(name for name, _ in groups)]
    # The outermost group holds the whole match, which tells "no match" from "empty groups".
    extract = (
        f"regexp_extract(record, {literal(f'({pattern})')}, [{', '.join(map(literal, names))}])"
    )
    relation = f"(select *, {extract} as found from {part_relation(part, ['record'])})"
    matched = f"found.{identifier(names[0])} <> ''"
    inserted = insert_rows(
        connection,
        delivery,
        relation,
        columns={name: f"nullif(found.{identifier(name)}, '')" for name in names[1:]},
        condition=matched,
    )
    rejections = Rejections(delivery.work_dir, part.rejections)
    if inserted < part.count:
        detail = "the line does not have the shape of the pattern"
        left = rows_of(
            connection,
            f"select row_number, line_number, record from {relation} where not ({matched})",
        )
        rejections.extend(
            Rejection(row, "line_not_matched", detail, text=text, line_number=line)
            for row, line, text in left
        )
    return PartOutcome(part.count + len(part.rejections), inserted, rejections)
