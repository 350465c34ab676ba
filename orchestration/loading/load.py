"""How a source is loaded: each new file whole or not at all, whatever happens to the others."""

import hashlib
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate, groupby
from pathlib import Path

import duckdb

from orchestration.loading import ledger
from orchestration.loading.finding import FoundFile, find_files
from orchestration.loading.formats.common import NeedsCare
from orchestration.loading.inserting import Care, Delivery
from orchestration.loading.landing import LandedFile, StillChanging, land, sweep
from orchestration.loading.ledger import now
from orchestration.loading.options import options_of
from orchestration.loading.reading import Reading, read_files
from orchestration.loading.reasons import FileRefused
from orchestration.loading.recognising import table_of
from orchestration.loading.stores import StoreUnreachable
from orchestration.loading.transaction import in_transaction
from orchestration.sources import RawTable, Source

TOGETHER_BYTES = 64 << 20
"""Files share a transaction up to this size: the warehouse stores few large writes far faster."""

TOGETHER_FILES = 1000
"""So many files at most; each has a part in the statements that they share."""

MIN_REJECTED = 20
"""So many records of a file may always be rejected, whatever share of it they are."""


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file.

    `status` is loaded, repeated or refused, as in the ledger; or unchanged (dealt with by an
    earlier load) or not_ready (still being written), of which the ledger gets no row. Of an
    unchanged file `reason` says why it was refused; `changed_options` are those of today that it
    was not read by.
    """

    path: str
    status: str
    reason: str | None = None
    detail: str | None = None
    read: int = 0
    loaded: int = 0
    rejected: int = 0
    seconds: float = 0.0
    bytes: int = 0
    changed_options: tuple[str, ...] = ()

    @property
    def has_too_many_rejections(self) -> bool:
        """Tell whether nothing of it is loaded, now or before, for too much of it is rejected."""
        return self.reason == "too_many_rejections"


@dataclass(frozen=True)
class LoadSummary:
    """What became of every file of a source."""

    source_name: str
    files: tuple[FileOutcome, ...]
    problem: str | None = None
    """What kept the source's store from being read, wholly or from some file on."""

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


@dataclass(frozen=True)
class Progress:
    """How far the load of a source has come, in files to be read and the bytes they have."""

    source_name: str
    path: str
    file_number: int
    file_count: int
    records_read: int
    bytes_read: int
    bytes_in_all: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest takes at the rate so far; None while that says nothing yet."""
        if not self.bytes_read or self.seconds < 1:
            return None
        return self.seconds * (self.bytes_in_all - self.bytes_read) / self.bytes_read


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
    try:
        found = find_files(source)
    except StoreUnreachable as error:
        return LoadSummary(source.name, (), problem=str(error))
    files = [
        _File(
            connection, source, raw_table, landing_dir, each, known.get(each.shown_path), read_again
        )
        for each in found
    ]
    to_read = [file for file in files if not file.is_unchanged]
    sizes = [file.found.size_bytes for file in to_read]
    teller = _Teller(source.name, len(sizes), sum(sizes), on_progress)
    loaded = (outcome for group in _groups(to_read) for outcome in _load_together(group, teller))
    outcomes = []
    problem = None
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


@dataclass
class _Teller:
    """Tells how far the load of a source has come, of the files that are to be read."""

    source_name: str
    file_count: int
    bytes_in_all: int
    on_progress: Callable[[Progress], None] | None
    began: float = field(default_factory=time.monotonic)
    files_before: int = 0
    records_before: int = 0
    bytes_before: int = 0
    files: Sequence[FoundFile] = ()
    """Those that are being read, one or several at once."""

    def begin(self, *files: FoundFile) -> None:
        self.files = files
        self.tell(0, 0)

    def tell(self, records: int, size: int) -> None:
        """Tell of so many records and bytes of the present files."""
        if self.on_progress is None:
            return
        ends = list(accumulate(file.size_bytes for file in self.files))
        place = min(bisect_right(ends, size), len(ends) - 1)
        self.on_progress(
            Progress(
                self.source_name,
                self.files[place].shown_path,
                self.files_before + place + 1,
                self.file_count,
                self.records_before + records,
                self.bytes_before + size,
                self.bytes_in_all,
                time.monotonic() - self.began,
            )
        )

    @property
    def position(self) -> tuple[int, int, int]:
        """Return how far it is, for `go_back`."""
        return self.files_before, self.records_before, self.bytes_before

    def go_back(self, position: tuple[int, int, int]) -> None:
        """Begin anew from there: what came since is undone."""
        self.files_before, self.records_before, self.bytes_before = position

    def end(self, records: int) -> None:
        size = sum(file.size_bytes for file in self.files)
        self.tell(records, size)
        self.files_before += len(self.files)
        self.records_before += records
        self.bytes_before += size


@dataclass(frozen=True)
class _File:
    """One file on its way through the loader."""

    connection: duckdb.DuckDBPyConnection
    source: Source
    raw_table: RawTable
    landing_dir: Path
    found: FoundFile
    known: ledger.KnownDelivery | None
    read_again: set[str] | None
    """Ids of the files that were read anew in this load; None where none is to be."""

    @property
    def is_unchanged(self) -> bool:
        """Tell whether an earlier load has dealt with the file, and this one need not."""
        return (
            self.read_again is None
            and self.known is not None
            and self.known.is_same_file(self.found)
            and self.known.is_settled(ledger.options_for_refused(self.source, self.raw_table))
        )

    def unchanged(self, changed_options: tuple[str, ...]) -> FileOutcome:
        """Return what the earlier load made of it."""
        assert self.known is not None
        return replace(
            self.outcome("unchanged"),
            reason=self.known.reason,
            detail=self.known.detail,
            changed_options=changed_options,
        )

    def load(self, teller: _Teller, *, is_alone: bool = True) -> FileOutcome:
        """Load the file in a transaction of its own, or within the one that others share.

        There whatever goes wrong is raised, for the others to begin anew without it.
        """
        teller.begin(self.found)
        outcome = self._load(teller.tell, is_alone)
        teller.end(outcome.read)
        return outcome

    def _load(self, tell: Callable[[int, int], None], is_alone: bool) -> FileOutcome:
        began = time.monotonic()

        def seconds() -> float:
            return time.monotonic() - began

        landed = None
        try:
            landed = self.land()
            if landed is None:
                return self.outcome("not_ready")
            content = self.known_as(landed)

            def deliver(care: Care) -> ledger.LedgerRow:
                return self.deliver(content, lambda: _read([content], care, tell)[0], seconds)

            row = self._with_care(deliver) if is_alone else deliver(Care.FAST)
            if self.read_again is not None:
                self.read_again.add(content.file_id)
        except FileRefused as refusal:
            if not is_alone:
                raise
            row = self._refused(landed, refusal, seconds())
            if not self._stands(landed) and not self._is_told(row):
                in_transaction(self.connection, lambda: self._write(self.raw_table, row))
        finally:
            if landed is not None:
                landed.path.unlink(missing_ok=True)
        return self.outcome(row.status, row)

    def _with_care(self, deliver: Callable[[Care], ledger.LedgerRow]) -> ledger.LedgerRow:
        for care in (Care.FAST, Care.SURVEYED):
            try:
                return in_transaction(self.connection, partial(deliver, care))
            except NeedsCare:
                continue
        return in_transaction(self.connection, partial(deliver, Care.EACH_RECORD))

    def land(self) -> LandedFile | None:
        """Return the private copy of the file, None where it is not ready to be read."""
        if self.source.settle_seconds and not self.found.is_older_than(self.source.settle_seconds):
            return None
        try:
            return land(self.found, self.landing_dir)
        except StillChanging:
            return None

    def _stands(self, landed: LandedFile | None) -> bool:
        """Tell whether the raw table holds this content, as an earlier load read it."""
        if landed is not None:
            return ledger.has_content(self.connection, self.source, landed.sha256)
        is_same = self.known is not None and self.known.is_same_file(self.found)
        return is_same and self.known.status != "refused"

    def _is_told(self, row: ledger.LedgerRow) -> bool:
        """Tell whether the ledger says just this already."""
        known = self.known
        return (
            known is not None
            and known.is_same_file(self.found)
            and (known.status, known.reason, known.options) == (row.status, row.reason, row.options)
        )

    def known_as(self, landed: LandedFile) -> "_Content":
        """Return what the content of the file is known as in the warehouse."""
        raw_table = table_of(self.connection, landed.path, self.found.name, self.raw_table)
        path_values = raw_table.values_in(self.found.shown_path)
        # Equal contents are one file, unless their paths say different things of them.
        identity = [
            self.source.name,
            landed.sha256,
            *(value or "" for value in path_values.values()),
        ]
        file_id = hashlib.md5("\x1f".join(identity).encode(), usedforsecurity=False).hexdigest()
        return _Content(self, landed, raw_table, path_values, file_id)

    def deliver(
        self, content: "_Content", read: Callable[[], Reading], seconds: Callable[[], float]
    ) -> ledger.LedgerRow:
        """Insert what is read, unless it is loaded already, and write the ledger."""
        file_id, raw_table = content.file_id, content.raw_table
        is_loaded = ledger.is_loaded(self.connection, file_id)
        is_again = self.read_again is not None and file_id not in self.read_again
        repeated = ledger.LedgerRow(file_id, content.landed.sha256, "repeated")
        if is_loaded and not is_again:
            row = repeated
        else:
            if is_loaded:
                ledger.take_out(self.connection, file_id)
            row = self._row_of(content, read())
        row = replace(row, load_seconds=seconds())
        if self.source.on_redelivery == "replace":
            ledger.supersede_older_delivery(
                self.connection, self.source, self.found.shown_path, file_id
            )
        is_rewritten = is_loaded and is_again and self._rewrite(raw_table, row)
        entry = replace(repeated, load_seconds=row.load_seconds) if is_loaded else row
        if not is_rewritten and not self._is_told(entry):
            self._write(raw_table, entry)
        return row

    def _row_of(self, content: "_Content", found: Reading) -> ledger.LedgerRow:
        if found.rejected > max(MIN_REJECTED - 1, self.source.max_rejected_share * found.read):
            raise FileRefused("too_many_rejections", self._too_many(content.file_id, found))
        return ledger.LedgerRow(
            content.file_id,
            content.landed.sha256,
            "loaded",
            detail=_passed_over(found.passed_over),
            records_read=found.read,
            records_loaded=found.inserted,
            records_rejected=found.rejected,
            format=found.format_name,
            preamble=found.preamble,
            options=options_of(self.source, content.raw_table, found.format_name),
        )

    def _too_many(self, file_id: str, found: Reading) -> str:
        counts = ", ".join(
            f"{count:,} {reason}"
            for reason, count in ledger.count_rejections(self.connection, file_id)
        )
        row_number, reason, detail = ledger.first_rejection(self.connection, file_id)
        return (
            f"{found.rejected:,} of {found.read:,} records are rejected "
            f"({found.rejected / found.read:.1%}; "
            f"max_rejected_share allows {self.source.max_rejected_share:.1%}): {counts}; "
            f"the first is record {row_number:,}, {reason}: {detail}"
        )

    def _refused(
        self, landed: LandedFile | None, refusal: FileRefused, seconds: float
    ) -> ledger.LedgerRow:
        return ledger.LedgerRow(
            None,
            None if landed is None else landed.sha256,
            "refused",
            refusal.reason,
            refusal.detail[:2000],
            load_seconds=seconds,
            options=ledger.options_for_refused(self.source, self.raw_table),
        )

    def _write(self, raw_table: RawTable, row: ledger.LedgerRow) -> None:
        ledger.write_row(self.connection, self.source, raw_table, self.found, row, now())

    def _rewrite(self, raw_table: RawTable, row: ledger.LedgerRow) -> bool:
        return ledger.rewrite_row(self.connection, self.source, raw_table, self.found, row, now())

    def outcome(self, status: str, row: ledger.LedgerRow | None = None) -> FileOutcome:
        """Return what became of the file."""
        size = self.found.size_bytes
        if row is None:
            return FileOutcome(self.found.shown_path, status, bytes=size)
        return FileOutcome(
            self.found.shown_path,
            status,
            row.reason,
            row.detail,
            row.records_read,
            row.records_loaded,
            row.records_rejected,
            row.load_seconds,
            size,
        )


@dataclass(frozen=True)
class _Content:
    """What a landed file holds: the table that takes it, and the id that it is known by."""

    file: _File
    landed: LandedFile
    raw_table: RawTable
    path_values: Mapping[str, str | None]
    file_id: str


def _read(
    contents: Sequence[_Content], care: Care, tell: Callable[[int, int], None]
) -> list[Reading]:
    """Insert the records of contents that one table takes and whose paths say the same."""
    first = contents[0]
    delivery = Delivery(
        first.file.source,
        first.raw_table,
        tuple(content.file_id for content in contents),
        now(),
        first.file.landing_dir,
        care,
        first.path_values,
    )
    landed = [(content.landed.path, content.file.found.name) for content in contents]
    return read_files(first.file.connection, landed, delivery, tell)


# ---------------------------------------------------------------- files at once


def _groups(files: Iterable[_File]) -> Iterator[list[_File]]:
    """Yield the files in order, those together that may share a transaction."""
    group: list[_File] = []
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


def _load_together(files: Sequence[_File], teller: _Teller) -> Iterator[FileOutcome]:
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


def _load_at_once(files: Sequence[_File], teller: _Teller) -> list[FileOutcome]:
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
        try:
            outcomes = _deliver_at_once(files, contents, Care.FAST, began, teller)
        except NeedsCare:
            outcomes = _deliver_at_once(files, contents, Care.SURVEYED, began, teller)
    finally:
        for each in filter(None, landed):
            each.path.unlink(missing_ok=True)
    teller.end(sum(outcome.read for outcome in outcomes))
    return outcomes


def _deliver_at_once(
    files: Sequence[_File],
    contents: Sequence[_Content | None],
    care: Care,
    began: float,
    teller: _Teller,
) -> list[FileOutcome]:
    connection = files[0].connection
    bytes_in_all = sum(file.found.size_bytes for file in files)

    def read_new() -> dict[str, Reading]:
        new: dict[str, _Content] = {}
        for content in filter(None, contents):
            if not ledger.is_loaded(connection, content.file_id):
                new.setdefault(content.file_id, content)
        readings: dict[str, Reading] = {}
        for _, alike in groupby(new.values(), key=lambda each: (each.raw_table, each.path_values)):
            some = list(alike)
            found = _read(some, care, teller.tell)
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


def _load_one_by_one(files: Sequence[_File], teller: _Teller) -> Iterator[FileOutcome]:
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


def _share_transaction(files: Sequence[_File], teller: _Teller, loaded: list[FileOutcome]) -> None:
    def load_each() -> None:
        for file in files:
            loaded.append(file.load(teller, is_alone=False))

    in_transaction(files[0].connection, load_each)


def _passed_over(lines: Counter[str]) -> str | None:
    """Return what the ledger says of lines that are no records of the source."""
    if not lines:
        return None
    told = ", ".join(f"{count:,} with {what}" for what, count in lines.most_common(20))
    return f"{lines.total():,} lines passed over: {told}"
