"""What every reader gives to the load: records to write, and how to insert them."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from orchestration.loading.fields import FieldCounts, Inventory, Samples
from orchestration.loading.inserting import Care
from orchestration.loading.parts import PART_BYTES, Part
from orchestration.loading.text import Batch, Rejection

INTEGERS = ("tinyint", "utinyint", "smallint", "usmallint", "integer", "uinteger", "bigint")


def is_whole_number(text: str) -> str:
    """Return the condition that the SQL text is a whole number; a cast would round any other."""
    return f"regexp_full_match(trim({text}), '[+-]?\\d+(\\.0*)?')"


@dataclass(frozen=True)
class PartOutcome:
    """What became of a work file: read = inserted + rejected, always.

    Lines that were passed over, by what they say of themselves, are no records of this source.
    """

    read: int
    inserted: int
    rejections: Iterable[Rejection]
    passed_over: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TextLoad:
    """A text being loaded: its records, and the deed that inserts a work file of them.

    `count_fields` tells in how many records of each sample each field stands.

    Texts of the same layout, small files or members of a zip, can share a work file; those of
    none cannot. `read_alone` takes the bytes of one record and gives what the file's reading
    would; it is None where a record means nothing without the others. `preamble` is what the file
    must begin with so that it is read in the same way.
    """

    batches: Iterator[Batch]
    delimiter: str
    insert: Callable[[duckdb.DuckDBPyConnection, Part], PartOutcome]
    count_fields: Callable[[duckdb.DuckDBPyConnection, Samples], Mapping[int, FieldCounts]]
    prefix: str | None = None
    first_line: bytes = b""
    layout: Hashable = None
    read_alone: Callable[[bytes], Iterable[Batch]] | None = None
    preamble: bytes = b""
    format_name: str = ""
    part_bytes: int = PART_BYTES


@dataclass(frozen=True)
class TableLoad:
    """A file of typed columns being loaded: its path, and the deed that inserts such files.

    The deed takes those of the same layout at once, each with the row number after which its own
    begin, and returns the fields of each, too. One of no layout is inserted alone.
    """

    path: Path
    insert: Callable[
        [duckdb.DuckDBPyConnection, Mapping[Path, int]],
        tuple[PartOutcome, Mapping[Path, Inventory]],
    ]
    layout: Hashable = None
    format_name: str = ""


class NeedsCare(Exception):
    """A file that cannot be loaded so fast, though its records may be sound; take that care."""

    def __init__(self, found: str, care: Care) -> None:
        """Say what was found, and with which care the file may be loaded."""
        super().__init__(found)
        self.care = care
