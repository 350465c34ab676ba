"""How one file is loaded: landed, known by its content, read, written down. Imports DuckDB."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import duckdb

from orchestration.loading import ledger
from orchestration.loading.finding import FoundFile
from orchestration.loading.formats.common import NeedsCare
from orchestration.loading.inserting import Care, Delivery
from orchestration.loading.landing import LandedFile, StillChanging, land
from orchestration.loading.ledger import now
from orchestration.loading.options import options_of
from orchestration.loading.reading import Reading, read_files
from orchestration.loading.reasons import FileRefused
from orchestration.loading.recognising import table_of
from orchestration.loading.telling import Teller
from orchestration.loading.transaction import in_transaction
from orchestration.sources import RawTable, Source

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
class File:
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

    def load(self, teller: Teller, *, is_alone: bool = True) -> FileOutcome:
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
                return self.deliver(
                    content, lambda: insert_contents([content], care, tell)[0], seconds
                )

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
        care = Care.FAST
        while True:
            try:
                return in_transaction(self.connection, partial(deliver, care))
            except NeedsCare as need:
                care = need.care

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

    def known_as(self, landed: LandedFile) -> "Content":
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
        return Content(self, landed, raw_table, path_values, file_id)

    def deliver(
        self, content: "Content", read: Callable[[], Reading], seconds: Callable[[], float]
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

    def _row_of(self, content: "Content", found: Reading) -> ledger.LedgerRow:
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
class Content:
    """What a landed file holds: the table that takes it, and the id that it is known by."""

    file: File
    landed: LandedFile
    raw_table: RawTable
    path_values: Mapping[str, str | None]
    file_id: str


def insert_contents(
    contents: Sequence[Content], care: Care, tell: Callable[[int, int], None]
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


def _passed_over(lines: Counter[str]) -> str | None:
    """Return what the ledger says of lines that are no records of the source."""
    if not lines:
        return None
    told = ", ".join(f"{count:,} with {what}" for what, count in lines.most_common(20))
    return f"{lines.total():,} lines passed over: {told}"
