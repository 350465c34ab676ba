"""How a source is loaded: each new file in one transaction, whatever happens to the others."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import duckdb

from orchestration.loading import formats, ledger
from orchestration.loading.containers import read_content
from orchestration.loading.finding import FoundFile, find_files
from orchestration.loading.formats import parquet
from orchestration.loading.formats.common import NeedsCare
from orchestration.loading.inserting import Delivery, insert_rejections
from orchestration.loading.landing import LandedFile, StillChanging, land, sweep
from orchestration.loading.parts import one_ahead, write_parts
from orchestration.loading.reasons import FileRefused
from orchestration.loading.recognising import table_of
from orchestration.loading.warehouse import LoadingStopped, is_full_disk
from orchestration.sources import RawTable, Source

Result = TypeVar("Result")


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file.

    `status` is loaded, repeated or refused, as in the ledger; or unchanged (dealt with by an
    earlier load) or not_ready (still being written), of which the ledger gets no row.
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


@dataclass(frozen=True)
class LoadSummary:
    """What became of every file of a source."""

    source_name: str
    files: tuple[FileOutcome, ...]

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

    def count(self, status: str) -> int:
        """Return how many files ended with that status."""
        return sum(file.status == status for file in self.files)


@dataclass(frozen=True)
class Progress:
    """How far the load of a source has come."""

    source_name: str
    path: str
    file_number: int
    file_count: int
    records_read: int
    seconds: float


def load_source(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    raw_table: RawTable,
    landing_dir: Path,
    *,
    on_progress: Callable[[Progress], None] | None = None,
) -> LoadSummary:
    """Load every file of the source that is new, and return what became of each."""
    sweep(landing_dir)
    known = ledger.known_deliveries(connection, source)
    found = find_files(source)
    outcomes: list[FileOutcome] = []
    read_before = 0
    began = time.monotonic()
    for number, file in enumerate(found, start=1):

        def report(read: int, file: FoundFile = file, number: int = number) -> None:
            if on_progress is not None:
                on_progress(
                    Progress(
                        source.name,
                        file.shown_path,
                        number,
                        len(found),
                        read_before + read,  # noqa: B023  (called within this turn only)
                        time.monotonic() - began,
                    )
                )

        outcome = _File(connection, source, raw_table, landing_dir, file, report).load(
            known.get(file.shown_path)
        )
        report(outcome.read)
        read_before += outcome.read
        outcomes.append(outcome)
    sweep(landing_dir)
    return LoadSummary(source.name, tuple(outcomes))


@dataclass(frozen=True)
class _File:
    """One file on its way through the loader."""

    connection: duckdb.DuckDBPyConnection
    source: Source
    raw_table: RawTable
    landing_dir: Path
    found: FoundFile
    report: Callable[[int], None]

    def load(self, known: ledger.KnownDelivery | None) -> FileOutcome:
        if known is not None and known.is_same_file(self.found) and known.is_settled:
            return self._outcome("unchanged")
        if self.source.settle_seconds and not self.found.is_older_than(self.source.settle_seconds):
            return self._outcome("not_ready")
        began = time.monotonic()
        landed = None
        try:
            landed = land(self.found, self.landing_dir)
            row = self._load_landed(landed, began)
        except StillChanging:
            return self._outcome("not_ready")
        except FileRefused as refusal:
            row = self._refused(landed, refusal, began)
            if known is None or not known.is_same_file(self.found) or known.reason != row.reason:
                self._in_transaction(lambda: self._write(self.raw_table, row))
        finally:
            if landed is not None:
                landed.path.unlink(missing_ok=True)
        return self._outcome(row.status, row)

    def _load_landed(self, landed: LandedFile, began: float) -> ledger.LedgerRow:
        name = self.found.path.name
        raw_table = table_of(self.connection, landed.path, name, self.raw_table)
        path_values = raw_table.values_in(self.found.shown_path)
        # Equal contents are one file, unless their paths say different things of them.
        identity = [
            self.source.name,
            landed.sha256,
            *(value or "" for value in path_values.values()),
        ]
        file_id = hashlib.md5("\x1f".join(identity).encode(), usedforsecurity=False).hexdigest()

        def deliver(*, carefully: bool = False) -> ledger.LedgerRow:
            if ledger.is_loaded(self.connection, file_id):
                counts, status = (0, 0, 0), "repeated"
            else:
                delivery = Delivery(
                    self.source,
                    raw_table,
                    file_id,
                    _now(),
                    self.landing_dir,
                    carefully,
                    path_values,
                )
                counts, status = self._insert(landed, delivery), "loaded"
            if self.source.on_redelivery == "replace":
                ledger.supersede_older_delivery(
                    self.connection, self.source, self.found.shown_path, file_id
                )
            row = ledger.LedgerRow(
                file_id,
                landed.sha256,
                status,
                None,
                None,
                *counts,
                load_seconds=time.monotonic() - began,
            )
            self._write(raw_table, row)
            return row

        try:
            return self._in_transaction(deliver)
        except NeedsCare:
            return self._in_transaction(lambda: deliver(carefully=True))

    def _insert(self, landed: LandedFile, delivery: Delivery) -> tuple[int, int, int]:
        name = self.found.path.name
        if formats.parquet_format(landed.path, name, delivery) is not None:
            outcome = parquet.insert(self.connection, delivery, landed.path)
            rejected = insert_rejections(self.connection, delivery, outcome.rejections)
            return outcome.read, outcome.inserted, rejected
        read = inserted = rejected = 0
        text = formats.prepare_text(read_content(landed.path, name), name, delivery)
        parts = write_parts(
            text.batches, self.landing_dir, delimiter=text.delimiter, prefix=text.prefix
        )
        for part in one_ahead(parts):
            outcome = text.insert(self.connection, part)
            read += outcome.read
            inserted += outcome.inserted
            rejected += insert_rejections(self.connection, delivery, outcome.rejections)
            self.report(read)
        if read != inserted + rejected:
            raise FileRefused(
                "internal_error",
                f"{read} records read, {inserted} loaded and {rejected} rejected do not add up",
            )
        return read, inserted, rejected

    def _in_transaction(self, deed: Callable[[], Result]) -> Result:
        try:
            self.connection.execute("begin")
            result = deed()
            self.connection.execute("commit")
        except BaseException as error:
            self._roll_back(error)
            if isinstance(error, FileRefused | LoadingStopped | NeedsCare) or not isinstance(
                error, Exception
            ):
                raise
            raise _refusal_of(error) from error
        return result

    def _roll_back(self, error: BaseException) -> None:
        """Undo the transaction; stop the load where the warehouse itself is what failed."""
        try:
            self.connection.execute("rollback")
            self.connection.execute("select 1").fetchall()
        except duckdb.Error as failure:
            # A transaction that was never begun, or is already undone, leaves nothing to undo.
            if not isinstance(failure, duckdb.TransactionException):
                raise LoadingStopped(_stopped(error)) from error
        if isinstance(error, duckdb.FatalException) or is_full_disk(error):
            raise LoadingStopped(_stopped(error)) from error

    def _refused(
        self, landed: LandedFile | None, refusal: FileRefused, began: float
    ) -> ledger.LedgerRow:
        return ledger.LedgerRow(
            None,
            None if landed is None else landed.sha256,
            "refused",
            refusal.reason,
            refusal.detail[:2000],
            load_seconds=time.monotonic() - began,
        )

    def _write(self, raw_table: RawTable, row: ledger.LedgerRow) -> None:
        ledger.write_row(self.connection, self.source, raw_table, self.found, row, _now())

    def _outcome(self, status: str, row: ledger.LedgerRow | None = None) -> FileOutcome:
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


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _refusal_of(error: Exception) -> FileRefused:
    reason = (
        "out_of_memory"
        if isinstance(error, duckdb.OutOfMemoryException | MemoryError)
        else "internal_error"
    )
    return FileRefused(reason, f"{type(error).__name__}: {str(error)[:1000]}")


def _stopped(error: BaseException) -> str:
    return (
        "the warehouse cannot go on after this error; what was loaded before is safe, and loading "
        f"again continues with this file: {type(error).__name__}: {error}"
    )
