"""How rejected records are put through again: by today's loader, under the numbers that they have.

A record is read alone, from what the quarantine kept of it, where that is all of it and its format
can do so; otherwise from the original file, if that is still there. A file's records are one
transaction: what is sound moves to the raw table, and the ledger's counts follow.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

import duckdb

from orchestration.loading import ledger
from orchestration.loading.finding import FoundFile, find_files
from orchestration.loading.formats import prepare_as
from orchestration.loading.formats.common import TextLoad
from orchestration.loading.inserting import Care, Delivery, insert_rejections
from orchestration.loading.landing import StillChanging, land, sweep
from orchestration.loading.options import changed, options_of
from orchestration.loading.parts import write_parts
from orchestration.loading.reading import read_files
from orchestration.loading.reasons import FileRefused
from orchestration.loading.stores import StoreUnreachable
from orchestration.loading.text import Batch, Rejection
from orchestration.loading.transaction import in_transaction
from orchestration.loading.warehouse import identifier, literal
from orchestration.sources import Format, RawTable, Source

_PAGE_RECORDS = 500
_SCRATCH = "rows_being_replayed"
_TRIED = "records_being_replayed"


@dataclass(frozen=True)
class FileReplay:
    """What became of the rejected records of one file.

    `left` says why some could not be put through again, with their record numbers; `failure` why
    the replay of the whole file was undone.
    """

    path: str
    tried: int
    replayed: int = 0
    left: dict[str, list[int]] = field(default_factory=dict)
    failure: str | None = None

    @property
    def not_replayable(self) -> int:
        """Return how many records could not be put through again."""
        return sum(map(len, self.left.values()))

    @property
    def still_rejected(self) -> int:
        """Return how many records were rejected once more."""
        return 0 if self.failure else self.tried - self.replayed - self.not_replayable


def replay_source(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    raw_table: RawTable,
    landing_dir: Path,
    reasons: Sequence[str] = (),
) -> tuple[FileReplay, ...]:
    """Put the source's rejected records (of these reasons only) through again, file by file."""
    sweep(landing_dir)

    @cache
    def find() -> tuple[dict[str, FoundFile], str | None]:
        files, problem = find_files(source)
        return {file.shown_path: file for file in files}, problem

    outcomes = []
    for file in ledger.files_with_rejections(connection, source, reasons):
        replay = _Replay(connection, source, raw_table, landing_dir, file, tuple(reasons), find)
        try:
            outcomes.append(in_transaction(connection, replay.replay))
        except FileRefused as refusal:
            outcomes.append(FileReplay(file.path, file.rejected, failure=str(refusal)))
    sweep(landing_dir)
    return tuple(outcomes)


@dataclass(frozen=True)
class _Kept:
    """A rejected record as the quarantine kept it."""

    row_number: int
    reason: str
    text: str | None
    base64: str | None

    @property
    def content(self) -> bytes:
        record = (self.text or "").encode() if self.base64 is None else b64decode(self.base64)
        # Whether a line end followed tells a record that is wrong from one that breaks off.
        return record if self.reason == "truncated_record" else record + b"\n"


@dataclass(frozen=True)
class _Replay:
    """The rejected records of one file on their way through the loader once more.

    They land in a scratch table, and those that are rejected once more under the file id of the
    scratch, so that a reader need not know what it reads for.
    """

    connection: duckdb.DuckDBPyConnection
    source: Source
    raw_table: RawTable
    landing_dir: Path
    file: ledger.QuarantinedFile
    reasons: tuple[str, ...]
    find: Callable[[], tuple[dict[str, FoundFile], str | None]]
    left: dict[str, list[int]] = field(default_factory=dict)

    def replay(self) -> FileReplay:
        """Move what is sound today; call in a transaction."""
        table = {each.name: each for each in self.raw_table.all_of_kind}.get(self.file.raw_table)
        if table is None or not self._can_tell_apart(table):
            return self._leave_all()
        delivery = Delivery(
            self.source,
            replace(table, name=_SCRATCH),
            (self._scratch_id,),
            ledger.now(),
            self.landing_dir,
            care=Care.EACH_RECORD,
            path_values=table.values_in(self.file.path),
        )
        text = self._text(table, delivery)
        if text is None and self.file.preamble is not None:
            return self._leave_all()
        if text is None:
            why = "no record of its format can be read alone"
            replayed = self._through(table, delivery, "true", partial(self._read_original, why))
        else:
            why = "not all of the record is kept"
            replayed = self._through(
                table, delivery, "is_whole", partial(self._read_kept, text)
            ) + self._through(
                table, delivery, "is_whole is not true", partial(self._read_original, why)
            )
        return self._outcome(replayed)

    def _leave_all(self) -> FileReplay:
        self._try("true")
        self._leave("true", self._told_apart_otherwise)
        return self._outcome(0)

    def _outcome(self, replayed: int) -> FileReplay:
        return FileReplay(self.file.path, self.file.rejected, replayed, self.left)

    # ------------------------------------------------------------ how the file is read today

    @property
    def _told_apart_otherwise(self) -> str:
        return (
            "today's options tell its records apart in another way; to read them anew: "
            f"clickstream load --again {self.source.name}"
        )

    def _can_tell_apart(self, table: RawTable) -> bool:
        """Tell whether a record of the file is one by today's options too."""
        now_others = set(
            changed(self.file.options, options_of(self.source, table, self.file.format))
        )
        if self.file.preamble is None:
            return not now_others & {"records", "only", "format"}
        before = self._format(table, self.file.format)
        today = self._format(table, self.source.format or self.file.format)
        is_read_alike = before is not None and today is not None and before.reader == today.reader
        return is_read_alike and not now_others & {"records", "only"}

    def _format(self, table: RawTable, name: str | None) -> Format | None:
        return next((each for each in table.formats if each.name == name), None)

    def _text(self, table: RawTable, delivery: Delivery) -> TextLoad | None:
        """Return how a record is read alone; None where it cannot be."""
        fmt = self._format(table, self.source.format or self.file.format)
        if fmt is None or self.file.preamble is None:
            return None
        text = prepare_as(fmt, iter([self.file.preamble]), delivery)
        return None if text.read_alone is None else text

    # ------------------------------------------------------------ through the loader, and on

    def _through(
        self, table: RawTable, delivery: Delivery, condition: str, read: Callable[[Delivery], None]
    ) -> int:
        """Put the records of the condition through, and return how many are sound now."""
        if not self._try(condition):
            return 0
        scratch = f"raw.{_SCRATCH}"
        self.connection.execute(
            f"create or replace table {scratch} as from raw.{identifier(table.name)} limit 0"
        )
        read(delivery)
        replayed = self._move(table, delivery)
        self.connection.execute(f"drop table {scratch}")
        return replayed

    def _move(self, table: RawTable, delivery: Delivery) -> int:
        ids = [self.file.file_id, self._scratch_id]
        tried = f"row_number in (select row_number from {_TRIED})"
        sound = f"row_number in (select _row_number from raw.{_SCRATCH})"
        (count, lost) = self.connection.execute(
            f"""
            select
                count(*) filter ({sound}),
                count(*) filter (not {sound} and row_number not in (
                    select row_number from raw.rejected_records where file_id = $1
                ))
            from {_TRIED}
            """,
            [self._scratch_id],
        ).fetchone()
        if lost:
            raise FileRefused("internal_error", f"{lost} records were neither loaded nor rejected")
        self.connection.execute(
            f"insert into raw.{identifier(table.name)} by name "
            f"select * replace ($1 as _file_id) from raw.{_SCRATCH} "
            f"where _row_number in (select row_number from {_TRIED})",
            [self.file.file_id],
        )
        self.connection.execute(
            f"""
            insert into raw.replayed_records by name
            select file_id, source_name, row_number, reason, rejected_at, $2 as replayed_at
            from raw.rejected_records where file_id = $1 and {tried} and {sound}
            """,
            [self.file.file_id, delivery.loaded_at],
        )
        self.connection.execute(
            f"delete from raw.rejected_records where file_id = $1 and {tried} and {sound}",
            [self.file.file_id],
        )
        self.connection.execute(
            f"""
            update raw.rejected_records as before
            set reason = today.reason, detail = today.detail, rejected_at = today.rejected_at
            from raw.rejected_records as today
            where
                before.file_id = $1 and today.file_id = $2
                and before.row_number = today.row_number and before.reason <> today.reason
                and before.{tried}
            """,
            ids,
        )
        for written in ("rejected_records", "file_fields"):
            self.connection.execute(
                f"delete from raw.{written} where file_id = $1", [self._scratch_id]
            )
        ledger.count_replayed(self.connection, self.file.file_id, count)
        return count

    # ------------------------------------------------------------ from what is kept

    def _read_kept(self, text: TextLoad, delivery: Delivery) -> None:
        assert text.read_alone is not None
        parts = write_parts(
            self._kept_batches(text.read_alone),
            self.landing_dir,
            delimiter=text.delimiter,
            prefix=text.prefix,
        )
        for part in parts:
            outcome = text.insert(self.connection, part)
            insert_rejections(self.connection, delivery, outcome.rejections)

    def _kept_batches(self, read_alone: Callable[[bytes], Iterable[Batch]]) -> Iterator[Batch]:
        """Yield each kept record as a batch of its own; page by page, those alike together."""
        last = 0
        while page := self._page(last):
            batches: list[Batch] = []
            for kept in page:
                found = _read_one(kept, read_alone)
                count = sum(batch.count + len(batch.rejections) for batch in found)
                if count == 1:
                    batches += found
                else:
                    why = f"today it would be {count} records; {self._told_apart_otherwise}"
                    self._leave(f"row_number = {kept.row_number}", why)
            yield from sorted(batches, key=lambda batch: batch.is_quoted)
            last = page[-1].row_number

    def _page(self, after: int) -> list[_Kept]:
        rows = self.connection.execute(
            "select row_number, reason, record_text, record_base64 "
            f"from raw.rejected_records where {self._chosen} and is_whole "
            f"and row_number > $1 order by row_number limit {_PAGE_RECORDS}",
            [after],
        ).fetchall()
        return [_Kept(*row) for row in rows]

    # ------------------------------------------------------------ from the original file

    def _read_original(self, why: str, delivery: Delivery) -> None:
        """Read the whole file once more, for the sake of records that cannot be read alone."""
        files, problem = self.find()
        found = next(filter(None, map(files.get, self.file.paths)), None)
        if found is None and problem:
            self._leave("true", f"{why}, and {problem}")
            return
        try:
            landed = None if found is None else land(found, self.landing_dir)
        except StoreUnreachable as error:
            self._leave("true", f"{why}, and {error}")
            return
        except StillChanging:
            self._leave("true", f"{why}, and the file is being written")
            return
        if found is None or landed is None or landed.sha256 != self.file.content_sha256:
            self._leave("true", f"{why}, and the file is gone or another one")
            return
        (reading,) = read_files(self.connection, [(landed.path, found.name)], delivery)
        landed.path.unlink()
        if reading.read != self.file.records_read:
            counts = (
                f"{reading.read:,} records are found in the file, {self.file.records_read:,} then"
            )
            self._leave("true", f"{why}, and {counts}; {self._told_apart_otherwise}")

    # ------------------------------------------------------------ which records

    @property
    def _scratch_id(self) -> str:
        return f"{self.file.file_id} replayed"

    @property
    def _chosen(self) -> str:
        """Return the condition that a rejected record is one of those to be put through again."""
        condition = f"file_id = {literal(self.file.file_id)}"
        if self.reasons:
            condition += f" and reason in ({', '.join(map(literal, self.reasons))})"
        return condition

    def _try(self, condition: str) -> int:
        """Make a list of the records of the condition, and return how many they are."""
        (count,) = self.connection.execute(
            f"create or replace temp table {_TRIED} as "
            f"select row_number from raw.rejected_records where {self._chosen} and {condition}"
        ).fetchone()
        return count

    def _leave(self, condition: str, why: str) -> None:
        """Take the records of the condition off that list, and remember why."""
        rows = self.connection.execute(
            f"delete from {_TRIED} where {condition} returning row_number"
        ).fetchall()
        self.left.setdefault(why, []).extend(sorted(row_number for (row_number,) in rows))


def _read_one(kept: _Kept, read_alone: Callable[[bytes], Iterable[Batch]]) -> list[Batch]:
    """Return what the record is read as, under the numbers that it has in its file."""
    try:
        found = list(read_alone(kept.content))
    except FileRefused as refusal:
        # Alone, a record may break what would refuse a whole file, such as a quote without end.
        rejection = Rejection(kept.row_number, kept.reason, refusal.detail)
        return [Batch([], [], rejections=[rejection])]
    return [
        replace(
            batch,
            row_numbers=[kept.row_number] * batch.count,
            rejections=[replace(each, row_number=kept.row_number) for each in batch.rejections],
            unterminated_row=None if batch.unterminated_row is None else kept.row_number,
        )
        for batch in found
    ]
