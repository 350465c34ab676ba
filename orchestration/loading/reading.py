"""How the records of a landed file reach raw table and quarantine, whatever its format.

Each member of a zip has its own format and header; row numbers run on from one to the next. Those
of one layout share work files, since an export may consist of thousands of small ones.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from pathlib import Path

import duckdb

from orchestration.loading import formats
from orchestration.loading.containers import read_contents
from orchestration.loading.fields import Inventory, Watch, write_fields
from orchestration.loading.formats.common import PartOutcome, TableLoad, TextLoad
from orchestration.loading.inserting import Delivery, insert_rejections
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


def read_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    delivery: Delivery,
    report: Callable[[int, int], None] = lambda _records, _bytes: None,
) -> Reading:
    """Insert every record of the file called `name`, or its rejection; call in a transaction.

    `report` is told how many records are dealt with, and up to which of the file's bytes.
    """
    read = inserted = rejected = 0
    passed_over: Counter[str] = Counter()
    ways = _Ways()
    inventory = Inventory()
    position = _Position(path.stat().st_size)
    loads = _prepared(delivery, path, name, ways, position)
    for _, alike in groupby(loads, key=lambda each: each.load.layout):
        members = _Members()
        for outcome in _insert_alike(
            connection, delivery, alike, members, read, inventory, position, report
        ):
            read += outcome.read
            inserted += outcome.inserted
            passed_over.update(outcome.passed_over)
            located = map(members.located, outcome.rejections)
            rejected += insert_rejections(connection, delivery, located)
            report(read, position.inserted)
    if read != inserted + rejected:
        raise FileRefused(
            "internal_error",
            f"{read} records read, {inserted} loaded and {rejected} rejected do not add up",
        )
    write_fields(connection, delivery.source, delivery.file_id, inventory)
    return Reading(ways.format_name, ways.preamble, read, inserted, rejected, passed_over)


@dataclass
class _Position:
    """How many of a file's bytes are read, a little ahead, and how many are in the raw table."""

    size: int
    read: int = 0
    inserted: int = 0

    def on_read(self, count: int) -> None:
        self.read = count

    def stamped(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield the parts, each with how far the file was read when it was complete."""
        for part in parts:
            yield replace(part, bytes_read=self.read)


@dataclass
class _Ways:
    """How the members of a file are read, each by the name of a format and its preamble."""

    found: set[tuple[str, bytes | None]] = field(default_factory=set)

    def add(self, load: TextLoad | TableLoad) -> None:
        is_readable_alone = isinstance(load, TextLoad) and load.read_alone is not None
        self.found.add((load.format_name, load.preamble if is_readable_alone else None))

    @property
    def format_name(self) -> str | None:
        names = {name for name, _ in self.found}
        return names.pop() if len(names) == 1 else None

    @property
    def preamble(self) -> bytes | None:
        return next(iter(self.found))[1] if len(self.found) == 1 else None


@dataclass(frozen=True)
class _Prepared:
    """What one member holds, ready to be inserted; `member` is None where there is no zip."""

    member: str | None
    load: TextLoad | TableLoad


@dataclass
class _Members:
    """Which members share work files, and after how many rows of the file each one begins."""

    names: list[str | None] = field(default_factory=list)
    rows_before: list[int] = field(default_factory=list)

    def begin(self, member: str | None, rows_before: int) -> None:
        self.names.append(member)
        self.rows_before.append(rows_before)

    def located(self, rejection: Rejection) -> Rejection:
        """Return the rejection with the member in which its record stands."""
        member = self.names[bisect_right(self.rows_before, rejection.row_number - 1) - 1]
        if member is None:
            return rejection
        return replace(rejection, detail=f"in its member {member!r}: {rejection.detail}")


def _prepared(
    delivery: Delivery, path: Path, name: str, ways: _Ways, position: _Position
) -> Iterator[_Prepared]:
    for content in read_contents(path, name, position.on_read):
        with naming(content.member):
            load = formats.prepare(content, delivery)
        ways.add(load)
        yield _Prepared(content.member, load)


def _insert_alike(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    alike: Iterator[_Prepared],
    members: _Members,
    read: int,
    inventory: Inventory,
    position: _Position,
    report: Callable[[int, int], None],
) -> Iterator[PartOutcome]:
    """Insert members of one layout, before which the file held so many records."""
    first = next(alike)
    if isinstance(first.load, TableLoad):
        members.begin(first.member, read)
        begun = position.inserted
        whole = (position.read or position.size) - begun

        def on_share(share: float) -> None:
            report(read, begun + int(share * whole))

        with naming(first.member), telling_progress(connection, on_share):
            outcome = first.load.insert(connection, read)
        inventory.include(first.load.inventory(connection))
        position.inserted = begun + whole
        yield outcome
        return
    watch = Watch(first.load.count_fields)
    parts = write_parts(
        watch.over(_renumbered(chain([first], alike), members, read)),
        delivery.work_dir,
        delimiter=first.load.delimiter,
        prefix=first.load.prefix,
        first_line=first.load.first_line,
        part_bytes=first.load.part_bytes,
    )
    for part in one_ahead(position.stamped(parts)):
        position.inserted = part.bytes_read
        outcome = first.load.insert(connection, replace(part, rows_before=read))
        watch.take(connection)
        read += outcome.read
        yield outcome
    inventory.include(watch.inventory())


def _renumbered(prepared: Iterable[_Prepared], members: _Members, rows: int) -> Iterator[Batch]:
    """Yield the records of the members with numbers that run on."""
    for each in prepared:
        members.begin(each.member, rows)
        before = rows
        with naming(each.member):
            for batch in each.load.batches:
                rows += batch.count + len(batch.rejections)
                yield shifted(batch, before)
