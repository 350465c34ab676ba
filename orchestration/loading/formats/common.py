"""What every reader of text gives to the load: records to write, and how to insert them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import duckdb

from orchestration.loading.parts import Part
from orchestration.loading.text import Batch, Rejection


@dataclass(frozen=True)
class PartOutcome:
    """What became of a work file: read = inserted + rejected, always."""

    read: int
    inserted: int
    rejections: list[Rejection]


@dataclass(frozen=True)
class TextLoad:
    """A text file being loaded: its records, and the deed that inserts a work file of them.

    `read_alone` takes the bytes of one record and gives what the file's reading would; it is None
    where a record means nothing without the others. `preamble` is what the file must begin with
    so that it is read in the same way.
    """

    batches: Iterator[Batch]
    delimiter: str
    insert: Callable[[duckdb.DuckDBPyConnection, Part], PartOutcome]
    prefix: str | None = None
    read_alone: Callable[[bytes], Iterable[Batch]] | None = None
    preamble: bytes = b""
    format_name: str = ""


class NeedsCare(Exception):
    """A file that the fast way cannot load, though its records may be sound: take the careful."""
