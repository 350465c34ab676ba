"""What every reader of text gives to the load: records to write, and how to insert them."""

from collections.abc import Callable, Iterator
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
    """A text file being loaded: its records, and the deed that inserts a work file of them."""

    batches: Iterator[Batch]
    delimiter: str
    insert: Callable[[duckdb.DuckDBPyConnection, Part], PartOutcome]
    prefix: str | None = None


class NeedsCare(Exception):
    """A file that the fast way cannot load, though its records may be sound: take the careful."""
