"""How a source is loaded: each new file whole or not at all, whatever happens to the others."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import duckdb

from orchestration.loading import ledger
from orchestration.loading.finding import find_files
from orchestration.loading.formats.common import NeedsCare
from orchestration.loading.inserting import Care
from orchestration.loading.landing import LandedFile, sweep
from orchestration.loading.one_file import Content, File, FileOutcome, insert_contents
from orchestration.loading.reading import Reading
from orchestration.loading.reasons import FileRefused
from orchestration.loading.stores import StoreUnreachable
from orchestration.loading.telling import Progress, Teller
from orchestration.loading.transaction import in_transaction
from orchestration.sources import RawTable, Source

TOGETHER_BYTES = 512 << 20
"""Files share a transaction up to this size: the warehouse stores few large writes far faster."""

TOGETHER_FILES = 1000
"""So many files at most; each has a part in the statements that they share."""


@dataclass(frozen=True)
class LoadSummary:
    """What became of every file of a source."""

    source_name: str
    files: tuple[FileOutcome, ...]
    problem: str | None = None
    """What kept the source's store or folders from being read, wholly or in part."""

    @property
    def read(self) -> int:
        """Return how many records were read."""
        return sum(file.read for file in self.files)

    @property
    def loaded(self) -> int:
        """Return how many records were put in the raw table."""
        return sum(file.loaded for file in self.files)

    @property
    def rejected(self) -> int:
        """Return how many records were rejected."""
        return sum(file.rejected for file in self.files)

    @property
    def bytes_read(self) -> int:
        """Return how large the files are whose records were read."""
        return sum(file.bytes for file in self.files if file.status == "loaded")

    def count(self, status: str) -> int:
        """Return how many files ended with that status."""
        return sum(file.status == status for file in self.files)

    @property
    def over_the_limit(self) -> tuple[FileOutcome, ...]:
        """Return the files of which nothing is loaded, for too much of them is rejected."""
        return tuple(file for file in self.files if file.has_too_many_rejections)

    @property
    def read_otherwise(self) -> tuple[FileOutcome, ...]:
        """Return the files that stand as they were read by other options than today's."""
        return tuple(file for file in self.files if file.changed_options)


def load_source(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    raw_table: RawTable,
    landing_dir: Path,
    *,
    again: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> LoadSummary:
    """Load every file of the source that is new, or `again` all; return what became of each."""
    sweep(landing_dir)
    known = ledger.known_deliveries(connection, source)
    read_otherwise = ledger.files_read_otherwise(connection, source, raw_table)
    read_again: set[str] | None = set() if again else None
    found, problem = find_files(source)
    files = [
        File(
            connection, source, raw_table, landing_dir, each, known.get(each.shown_path), read_again
        )
        for each in found
    ]
    to_read = [file for file in files if not file.is_unchanged]
    sizes = [file.found.size_bytes for file in to_read]
    teller = Teller(source.name, len(sizes), sum(sizes), on_progress)
    loaded = (outcome for group in _groups(to_read) for outcome in _load_together(group, teller))
    outcomes = []
    for file in files:
        if file.is_unchanged:
            options = read_otherwise.get(file.known.file_id or "", ()) if file.known else ()
            outcomes.append(file.unchanged(options))
            continue
        try:
            outcomes.append(next(loaded))
        except StoreUnreachable as error:
            problem = str(error)
            break
    sweep(landing_dir)
    return LoadSummary(source.name, tuple(outcomes), problem)


def _groups(files: Iterable[File]) -> Iterator[list[File]]:
    """Yield the files in order, those together that may share a transaction."""
    group: list[File] = []
    size = 0
    for file in files:
        size += file.found.size_bytes
        is_full = size > TOGETHER_BYTES or len(group) == TOGETHER_FILES
        if group and (is_full or file.read_again is not None):
            yield group
            group, size = [], file.found.size_bytes
        group.append(file)
    if group:
        yield group


def _load_together(files: Sequence[File], teller: Teller) -> Iterator[FileOutcome]:
    """Load the files at once if that can be, otherwise each by itself."""
    position = teller.position
    if len(files) > 1:
        try:
            outcomes = _load_at_once(files, teller)
        except (FileRefused, NeedsCare, StoreUnreachable):
            teller.go_back(position)
        else:
            yield from outcomes
            return
    yield from _load_one_by_one(files, teller)


def _load_at_once(files: Sequence[File], teller: Teller) -> list[FileOutcome]:
    """Load the files in one transaction, what is new of them by statements that they share."""
    began = time.monotonic()
    teller.begin(*(file.found for file in files))
    landed: list[LandedFile | None] = []
    try:
        for file in files:
            landed.append(file.land())
        contents = [
            None if each is None else file.known_as(each)
            for file, each in zip(files, landed, strict=True)
        ]
        outcomes = _deliver_with_care(files, contents, began, teller)
    finally:
        for each in filter(None, landed):
            each.path.unlink(missing_ok=True)
    teller.end(sum(outcome.read for outcome in outcomes))
    return outcomes


def _deliver_with_care(
    files: Sequence[File], contents: Sequence[Content | None], began: float, teller: Teller
) -> list[FileOutcome]:
    care = Care.FAST
    while True:
        try:
            return _deliver_at_once(files, contents, care, began, teller)
        except NeedsCare as need:
            if need.care is Care.EACH_RECORD:  # which only some of the files need
                raise
            care = need.care


def _deliver_at_once(
    files: Sequence[File],
    contents: Sequence[Content | None],
    care: Care,
    began: float,
    teller: Teller,
) -> list[FileOutcome]:
    connection = files[0].connection
    bytes_in_all = sum(file.found.size_bytes for file in files)

    def read_new() -> dict[str, Reading]:
        new: dict[str, Content] = {}
        for content in filter(None, contents):
            if not ledger.is_loaded(connection, content.file_id):
                new.setdefault(content.file_id, content)
        readings: dict[str, Reading] = {}
        for _, alike in groupby(new.values(), key=lambda each: (each.raw_table, each.path_values)):
            some = list(alike)
            found = insert_contents(some, care, teller.tell)
            readings.update(zip((content.file_id for content in some), found, strict=True))
        return readings

    def deliver() -> list[FileOutcome]:
        readings = read_new()
        elapsed = time.monotonic() - began
        outcomes = []
        for file, content in zip(files, contents, strict=True):
            if content is None:
                outcomes.append(file.outcome("not_ready"))
                continue
            seconds = elapsed * file.found.size_bytes / max(bytes_in_all, 1)
            row = file.deliver(
                content, partial(readings.pop, content.file_id), lambda each=seconds: each
            )
            outcomes.append(file.outcome(row.status, row))
        return outcomes

    return in_transaction(connection, deliver)


def _load_one_by_one(files: Sequence[File], teller: Teller) -> Iterator[FileOutcome]:
    """Load the files in one transaction, except those that need one of their own."""
    rest = list(files)
    while len(rest) > 1:
        position = teller.position
        loaded: list[FileOutcome] = []
        try:
            _share_transaction(rest, teller, loaded)
        except (FileRefused, NeedsCare, StoreUnreachable):
            teller.go_back(position)
            # Those before the one that failed have shown that they can be loaded.
            failed = min(len(loaded), len(rest) - 1)
            yield from _load_one_by_one(rest[:failed], teller)
            yield rest[failed].load(teller)
            rest = rest[failed + 1 :]
        else:
            yield from loaded
            return
    for file in rest:
        yield file.load(teller)


def _share_transaction(files: Sequence[File], teller: Teller, loaded: list[FileOutcome]) -> None:
    def load_each() -> None:
        for file in files:
            loaded.append(file.load(teller, is_alone=False))

    in_transaction(files[0].connection, load_each)
