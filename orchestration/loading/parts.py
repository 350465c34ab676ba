"""Numbered work files: a text file in pieces that DuckDB can read fast and in any order."""

import csv
import io
import itertools
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from orchestration.loading.landing import stop_on_full_disk
from orchestration.loading.text import Batch, Rejection
from orchestration.loading.warehouse import file_literal, literal

# Each of DuckDB's threads leaves one row group that is not full at the end of a statement: some are
# stored twice, and a checkpoint rewrites those of which four fit into three. So work files are
# large; only the first ones are small, for until the first is written nothing is loaded.
PART_BYTES = 1 << 30
_FIRST_PART_BYTES = 256 << 20

# Rejected records wait in memory for their work file; one that has so much of them is complete.
_REJECTED_BYTES = 16 << 20

_MIN_LINE_BYTES = 2 << 20
_SLOTS = 2


@dataclass(frozen=True)
class Part:
    """One work file: its records, each led by row and line number, and what was rejected.

    `rows_before` is how many records the work files before it held; `bytes_read` how many bytes of
    the original file were read when it was complete.
    """

    path: Path
    delimiter: str
    count: int = 0
    longest: int = 0
    is_quoted: bool = False
    rejections: tuple[Rejection, ...] = ()
    unterminated_rows: frozenset[int] = frozenset()
    rows_before: int = 0
    bytes_read: int = 0


def write_parts(
    batches: Iterable[Batch],
    work_dir: Path,
    *,
    delimiter: str,
    prefix: str | None = None,
    first_line: bytes = b"",
    part_bytes: int = PART_BYTES,
) -> Iterator[Part]:
    """Pack the batches into work files, each of which takes the place of the last but one.

    Row and line number lead each line as the prefix says, by default as columns of their own; each
    work file begins with the first line, and holds about `part_bytes` at most.
    """
    numbers = (prefix or f"%d{delimiter}%d{delimiter}").encode()
    paths = itertools.cycle(work_dir / f"part{slot}.work" for slot in range(_SLOTS))
    waiting = next(batches := iter(batches), None)
    wanted_bytes = min(_FIRST_PART_BYTES, part_bytes)
    while waiting is not None:
        part = Part(next(paths), delimiter, is_quoted=waiting.is_quoted)
        size = rejected_bytes = 0
        rejections: list[Rejection] = []
        # Overwritten in place: its pages are in memory already, which halves the cost of writing.
        with open(part.path, "r+b" if part.path.exists() else "wb") as file:
            file.write(first_line)
            while (
                waiting is not None
                and waiting.is_quoted == part.is_quoted
                and size < wanted_bytes
                and rejected_bytes < _REJECTED_BYTES
            ):
                text = _encoded(waiting, delimiter, numbers)
                with stop_on_full_disk(work_dir, part_bytes):
                    file.write(text)
                rejections += waiting.rejections
                size += len(text)
                rejected_bytes += sum(each.memory_bytes for each in waiting.rejections)
                part = replace(
                    part,
                    count=part.count + waiting.count,
                    longest=max(part.longest, _longest(waiting, text)),
                    unterminated_rows=part.unterminated_rows | _last_row_of(waiting),
                )
                waiting = next(batches, None)
            with stop_on_full_disk(work_dir, part_bytes):
                file.truncate()
        yield replace(part, rejections=tuple(rejections))
        wanted_bytes = min(2 * wanted_bytes, part_bytes)


def one_ahead(
    parts: Iterator[Part], meanwhile: Callable[[], None] = lambda: None
) -> Generator[Part, None, None]:
    """Yield the parts while a thread prepares the next one; its errors are raised here.

    The thread also calls `meanwhile`: before it waits for a slot, and once all parts are prepared.
    """
    ready: queue.SimpleQueue[tuple[Part | None, BaseException | None]] = queue.SimpleQueue()
    free_slots = threading.Semaphore(_SLOTS)
    is_abandoned = threading.Event()

    def prepare() -> None:
        try:
            while True:
                if not free_slots.acquire(blocking=False):
                    meanwhile()
                    free_slots.acquire()
                if is_abandoned.is_set():
                    return
                part = next(parts, None)
                if part is None:
                    meanwhile()
                ready.put((part, None))
                if part is None:
                    return
        except BaseException as error:  # noqa: BLE001  (raised again by the reader)
            ready.put((None, error))

    thread = threading.Thread(target=prepare, name="prepare-parts", daemon=True)
    thread.start()
    try:
        while True:
            part, error = ready.get()
            if error is not None:
                raise error
            if part is None:
                return
            yield part
            free_slots.release()
    finally:
        is_abandoned.set()
        free_slots.release()
        thread.join()


def part_relation(part: Part, columns: Iterable[str]) -> str:
    """Return the SQL table function that reads the part: row_number, line_number, the columns."""
    return _read_csv(
        part,
        [
            ("row_number", "bigint"),
            ("line_number", "bigint"),
            *((column, "varchar") for column in columns),
        ],
    )


def whole_line_relation(part: Part) -> str:
    """Return the SQL table function that reads each line of the part as one column, `line`."""
    return _read_csv(part, [("line", "varchar")])


def _read_csv(part: Part, columns: Iterable[tuple[str, str]]) -> str:
    types = ", ".join(f"{literal(name)}: {literal(data_type)}" for name, data_type in columns)
    quote = "'\"'" if part.is_quoted else "''"
    longest = max(part.longest + 128, _MIN_LINE_BYTES)
    return (
        f"read_csv({file_literal(part.path)}, auto_detect = false, header = false, "
        f"columns = {{{types}}}, delim = {literal(part.delimiter)}, quote = {quote}, "
        f"escape = {quote}, comment = '', nullstr = '', new_line = '\\n', strict_mode = false, "
        "hive_partitioning = false, "
        f"max_line_size = {longest}, buffer_size = {max(4 << 20, 2 * longest)}, "
        f"parallel = {str(not part.is_quoted).lower()})"
    )


def _encoded(batch: Batch, delimiter: str, numbers: bytes) -> bytes:
    if batch.lines and not batch.is_quoted:
        leads = map(numbers.__mod__, zip(batch.row_numbers, batch.line_numbers, strict=True))
        pieces = zip(leads, batch.lines, itertools.repeat(b"\n", batch.count), strict=True)
        return b"".join(itertools.chain.from_iterable(pieces))
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    fields = batch.fields or ([line.decode()] for line in batch.lines)
    writer.writerows(
        [row, line, *record]
        for row, line, record in zip(batch.row_numbers, batch.line_numbers, fields, strict=False)
    )
    return buffer.getvalue().encode()


def _last_row_of(batch: Batch) -> frozenset[int]:
    return frozenset(() if batch.unterminated_row is None else (batch.unterminated_row,))


def _longest(batch: Batch, text: bytes) -> int:
    if batch.is_quoted:
        # A quoted value may hold line ends and doubled quotes; the whole batch is a safe bound.
        return len(text)
    return batch.longest + 48
