"""How the records of landed files reach raw table and quarantine, whatever their formats.

Files can be read at once, and each member of a zip has its own format and header. Row numbers run
on from one member to the next; those of each file begin far above those of the file before. Texts
of one layout share work files, since an export may consist of thousands of small ones, and tables
share a statement.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, groupby
from pathlib import Path

import duckdb

from orchestration.loading import formats
from orchestration.loading.containers import read_contents
from orchestration.loading.fields import Inventory, Watch, write_fields
from orchestration.loading.formats.common import PartOutcome, TableLoad, TextLoad
from orchestration.loading.inserting import (
    Delivery,
    count_inserted,
    insert_rejections,
    row_base,
)
from orchestration.loading.parts import Part, one_ahead, write_parts
from orchestration.loading.reasons import FileRefused, naming
from orchestration.loading.text import Batch, Rejection, shifted
from orchestration.loading.warehouse import telling_progress


@dataclass(frozen=True)
class Reading:
    """What a file was read as: counts, format, and what a record of it needs to be read alone.

    Format and preamble are None where the members of a zip differ in them. `passed_over` counts
    lines that say they are no records of the source, by what they say.
    """

    format_name: str | None
    preamble: bytes | None
    read: int
    inserted: int
    rejected: int
    passed_over: Counter[str]


def read_files(
    connection: duckdb.DuckDBPyConnection,
    landed: Sequence[tuple[Path, str]],
    delivery: Delivery,
    report: Callable[[int, int], None] = lambda _records, _bytes: None,
) -> list[Reading]:
    """Insert every record of the files, each with its name, or its rejection; in a transaction.

    `report` is told how many records are dealt with, and up to which of the files' bytes.
    """
    tallies = [_Tally(number) for number in range(len(landed))]
    position = _Position()
    loads = _prepared(delivery, landed, tallies, position)
    read = inserted = 0
    for _, alike in groupby(loads, key=lambda each: each.load.layout or object()):
        first, members = next(alike), _Members()
        insert = _insert_tables if isinstance(first.load, TableLoad) else _insert_texts
        told = partial(report, read)
        for outcome in insert(connection, delivery, first, alike, members, position, told):
            read += outcome.read
            inserted += outcome.inserted
            located = map(members.located, outcome.rejections)
            for number, count in insert_rejections(connection, delivery, located).items():
                tallies[number].rejected += count
            report(read, position.inserted)
    _check(connection, delivery, tallies, inserted)
    for tally, file_id in zip(tallies, delivery.file_ids, strict=True):
        write_fields(connection, delivery.source, file_id, tally.inventory)
    return [tally.reading() for tally in tallies]


def _check(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    tallies: Sequence["_Tally"],
    inserted: int,
) -> None:
    """Make sure that every record of every file was inserted or rejected."""
    if len(tallies) == 1:
        inserted_of = {delivery.file_ids[0]: inserted}
    else:
        inserted_of = count_inserted(connection, delivery)
    for tally, file_id in zip(tallies, delivery.file_ids, strict=True):
        found = inserted_of.get(file_id, 0)
        if tally.read != found + tally.rejected:
            raise FileRefused(
                "internal_error",
                f"{tally.read} records read, {found} loaded and {tally.rejected} rejected do not "
                "add up",
            )


@dataclass
class _Position:
    """How many of the files' bytes are read, a little ahead, and how many are in the raw table."""

    read: int = 0
    inserted: int = 0

    def of_file(self, bytes_before: int) -> Callable[[int], None]:
        """Return what is told how many bytes are read of the file after so many of others."""

        def on_read(count: int) -> None:
            self.read = bytes_before + count

        return on_read

    def stamped(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield the parts, each with how many bytes were read when it was complete."""
        for part in parts:
            yield replace(part, bytes_read=self.read)


@dataclass
class _Tally:
    """What a file was read as, so far: `ways` are the formats of its members, with preambles."""

    number: int
    read: int = 0
    rejected: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    inventory: Inventory = field(default_factory=Inventory)
    ways: set[tuple[str, bytes | None]] = field(default_factory=set)

    @property
    def rows_before(self) -> int:
        """Return the row number after which those of its next member begin."""
        return row_base(self.number) + self.read

    def add_way(self, load: TextLoad | TableLoad) -> None:
        is_readable_alone = isinstance(load, TextLoad) and load.read_alone is not None
        self.ways.add((load.format_name, load.preamble if is_readable_alone else None))

    def reading(self) -> Reading:
        names = {name for name, _ in self.ways}
        return Reading(
            format_name=next(iter(names)) if len(names) == 1 else None,
            preamble=next(iter(self.ways))[1] if len(self.ways) == 1 else None,
            read=self.read,
            inserted=self.read - self.rejected,
            rejected=self.rejected,
            passed_over=self.passed_over,
        )


@dataclass(frozen=True)
class _Prepared:
    """What one member holds, ready to be inserted; `member` is None where there is no zip."""

    tally: _Tally
    member: str | None
    load: TextLoad | TableLoad


@dataclass
class _Members:
    """Which members share work files or a statement, and after which row each one begins."""

    names: list[str | None] = field(default_factory=list)
    rows_before: list[int] = field(default_factory=list)
    tallies: dict[int, _Tally] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)
    """How many records each file has among them, by its number."""

    def begin(self, prepared: _Prepared) -> int:
        """Return after which row number those of the member begin."""
        tally = prepared.tally
        before = tally.rows_before + self.counts[tally.number]
        self.names.append(prepared.member)
        self.rows_before.append(before)
        self.tallies[tally.number] = tally
        return before

    def located(self, rejection: Rejection) -> Rejection:
        """Return the rejection with the member in which its record stands."""
        member = self.names[bisect_right(self.rows_before, rejection.row_number - 1) - 1]
        if member is None:
            return rejection
        return replace(rejection, detail=f"in its member {member!r}: {rejection.detail}")


def _prepared(
    delivery: Delivery,
    landed: Sequence[tuple[Path, str]],
    tallies: Sequence[_Tally],
    position: _Position,
) -> Iterator[_Prepared]:
    bytes_before = 0
    for (path, name), tally in zip(landed, tallies, strict=True):
        for content in read_contents(path, name, position.of_file(bytes_before)):
            with naming(content.member):
                load = formats.prepare(content, delivery)
            tally.add_way(load)
            yield _Prepared(tally, content.member, load)
        bytes_before += path.stat().st_size
        position.read = bytes_before


def _insert_tables(
    connection: duckdb.DuckDBPyConnection,
    _delivery: Delivery,
    first: _Prepared,
    alike: Iterator[_Prepared],
    members: _Members,
    position: _Position,
    tell: Callable[[int], None],
) -> Iterator[PartOutcome]:
    """Insert tables of one layout at once."""
    tables = [first] if first.load.layout is None else [first, *alike]
    begun, whole = position.inserted, position.read - position.inserted
    rows_before = {each.load.path: members.begin(each) for each in tables}
    with (
        naming(first.member),
        telling_progress(connection, lambda share: tell(begun + int(share * whole))),
    ):
        outcome, inventories = first.load.insert(connection, rows_before)
    for each in tables:
        each.tally.read += inventories[each.load.path].record_count
        each.tally.inventory.include(inventories[each.load.path])
    position.inserted = begun + whole
    yield outcome


def _insert_texts(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    first: _Prepared,
    alike: Iterator[_Prepared],
    members: _Members,
    position: _Position,
    _tell: Callable[[int], None],
) -> Iterator[PartOutcome]:
    """Insert texts of one layout, through work files that they share."""
    load = first.load
    watch = Watch(load.count_fields)
    parts = write_parts(
        watch.over(_renumbered(chain([first], alike), members)),
        delivery.work_dir,
        delimiter=load.delimiter,
        prefix=load.prefix,
        first_line=load.first_line,
        part_bytes=load.part_bytes,
    )
    read = 0
    # While a part is inserted, its fields are counted by a connection of its own.
    with (
        connection.cursor() as counting,
        closing(one_ahead(position.stamped(parts), partial(watch.take, counting))) as ready,
    ):
        for part in ready:
            position.inserted = part.bytes_read
            rows_before = first.tally.rows_before + read
            outcome = load.insert(connection, replace(part, rows_before=rows_before))
            read += outcome.read
            first.tally.passed_over.update(outcome.passed_over)
            yield outcome
    if len(members.tallies) == 1:
        # A line may hold many records, or none; then no other file has a part in them.
        members.counts[first.tally.number] = read
    for number, tally in members.tallies.items():
        tally.read += members.counts[number]
    for number, inventory in watch.inventories().items():
        members.tallies[number].inventory.include(inventory)


def _renumbered(prepared: Iterable[_Prepared], members: _Members) -> Iterator[tuple[int, Batch]]:
    """Yield the records with row numbers of all the members, and the number of their file."""
    for each in prepared:
        number, before = each.tally.number, members.begin(each)
        with naming(each.member):
            for batch in each.load.batches:
                members.counts[number] += batch.count + len(batch.rejections)
                yield number, shifted(batch, before)
