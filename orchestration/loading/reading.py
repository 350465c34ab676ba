"""How the records of a landed file reach raw table and quarantine, whatever its format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration.loading import formats
from orchestration.loading.containers import read_content
from orchestration.loading.formats import parquet
from orchestration.loading.inserting import Delivery, insert_rejections
from orchestration.loading.parts import one_ahead, write_parts
from orchestration.loading.reasons import FileRefused


@dataclass(frozen=True)
class Reading:
    """What a file was read as: counts, format, and what a record of it needs to be read alone."""

    format_name: str
    preamble: bytes | None
    read: int
    inserted: int
    rejected: int


def read_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    delivery: Delivery,
    report: Callable[[int], None] = lambda _: None,
) -> Reading:
    """Insert every record of the file called `name`, or its rejection; call in a transaction."""
    preamble = None
    fmt = formats.parquet_format(path, name, delivery)
    if fmt is not None:
        format_name = fmt.name
        outcome = parquet.insert(connection, delivery, path)
        read, inserted = outcome.read, outcome.inserted
        rejected = insert_rejections(connection, delivery, outcome.rejections)
    else:
        read = inserted = rejected = 0
        text = formats.prepare_text(read_content(path, name), name, delivery)
        format_name = text.format_name
        preamble = None if text.read_alone is None else text.preamble
        parts = write_parts(
            text.batches, delivery.work_dir, delimiter=text.delimiter, prefix=text.prefix
        )
        for part in one_ahead(parts):
            outcome = text.insert(connection, part)
            read += outcome.read
            inserted += outcome.inserted
            rejected += insert_rejections(connection, delivery, outcome.rejections)
            report(read)
    if read != inserted + rejected:
        raise FileRefused(
            "internal_error",
            f"{read} records read, {inserted} loaded and {rejected} rejected do not add up",
        )
    return Reading(format_name, preamble, read, inserted, rejected)
