"""Reader `csv`: values between delimiters, with a header or the columns of the twin in order.

Python finds the records, for a quoted value may hold line ends; DuckDB takes them apart. Blocks
without a quote character need no more than a count of their delimiters.
"""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import duckdb

from orchestration.loading.fields import (
    FieldCounts,
    Samples,
    count_filled,
    count_json_texts,
    json_columns,
)
from orchestration.loading.formats.common import PartOutcome, TextLoad
from orchestration.loading.formats.headed import (
    check_header,
    column_plan,
    wanted_columns,
    wrong_type,
    wrong_width,
)
from orchestration.loading.inserting import Delivery, insert_rows
from orchestration.loading.parts import Part, part_relation
from orchestration.loading.reasons import FileRefused
from orchestration.loading.rejections import Rejections
from orchestration.loading.text import (
    MAX_RECORD_BYTES,
    Batch,
    Block,
    Rejection,
    read_batches,
    read_blocks,
    rejected_bytes,
    shifted,
    unsafe_bytes,
)
from orchestration.loading.warehouse import literal, rows_of
from orchestration.sources import Format

_DELIMITERS = (",", ";", "\t", "|")
_LINE_ENDS = re.compile(r"[\r\n\x01]")


@dataclass(frozen=True)
class _Dialect:
    delimiter: str
    quote: str
    columns: tuple[str, ...]

    @property
    def is_quoting(self) -> bool:
        return bool(self.quote)


def recognises(head: bytes, delivery: Delivery, fmt: Format) -> bool:
    """Tell whether the first line is a header with a wanted column, or has the right width."""
    first = _first_line(head)
    if not first.strip():
        return False
    dialect = _dialect(first, delivery, fmt)
    if _has_header(fmt):
        return bool(wanted_columns(delivery) & set(dialect.columns))
    return first.count(dialect.delimiter) == len(dialect.columns) - 1


def prepare(chunks: Iterator[bytes], delivery: Delivery, fmt: Format) -> TextLoad:
    """Return the records after the header, and how to insert them."""
    csv.field_size_limit(MAX_RECORD_BYTES)
    head = next(chunks, b"")
    first = _first_line(head)
    dialect = _dialect(first, delivery, fmt)
    blocks = read_blocks(chain([head], chunks))
    if _has_header(fmt) and first.strip():
        check_header(dialect.columns, delivery)
        blocks = _without_first_line(blocks)
    # What tells the columns, or at least the delimiter, where the format does not.
    is_telling = _has_header(fmt) or not fmt.options.get("delimiter")
    read = _read_quoted if dialect.is_quoting else _read_plain
    return TextLoad(
        read(blocks, dialect),
        dialect.delimiter,
        partial(_insert, delivery, dialect),
        partial(_count_fields, delivery, dialect),
        layout=(fmt.name, dialect),
        read_alone=lambda record: read(read_blocks([record]), dialect),
        preamble=f"{first}\n".encode() if is_telling else b"",
    )


# ---------------------------------------------------------------- header and dialect


def _has_header(fmt: Format) -> bool:
    return fmt.options.get("header", True)


def _first_line(head: bytes) -> str:
    text = head.lstrip(b"\r\n")[: 1 << 20].partition(b"\n")[0]
    return text.removesuffix(b"\r").decode("utf-8", "replace")


def _dialect(first: str, delivery: Delivery, fmt: Format) -> _Dialect:
    quote = fmt.options.get("quote", '"')
    delimiter = fmt.options.get("delimiter") or max(_DELIMITERS, key=first.count)
    if not _has_header(fmt):
        columns = [column.name for column in delivery.raw_table.columns]
    else:
        columns = _header(first, delimiter, quote)
    return _Dialect(delimiter, quote, tuple(columns))


def _header(first: str, delimiter: str, quote: str) -> list[str]:
    if not quote:
        return first.split(delimiter)
    try:
        return next(csv.reader([first], delimiter=delimiter, quotechar=quote), [])
    except csv.Error:
        return first.split(delimiter)


def _without_first_line(blocks: Iterator[Block]) -> Iterator[Block]:
    for block in blocks:
        skipped = len(block.data) - len(block.data.lstrip(b"\r\n"))
        if skipped == len(block.data):
            continue
        end = block.data.find(b"\n", skipped) + 1 or len(block.data)
        rest = block.data[end:]
        if rest:
            lines = block.data.count(b"\n", 0, end)
            yield replace(
                block, data=rest, first_line=block.first_line + lines, offset=block.offset + end
            )
        break
    yield from blocks


# ---------------------------------------------------------------- records


def _read_plain(blocks: Iterable[Block], dialect: _Dialect) -> Iterator[Batch]:
    """Yield each line as one record, without quoting."""
    for batch in read_batches(blocks):
        yield _of_right_width(batch, dialect)


def _of_right_width(batch: Batch, dialect: _Dialect) -> Batch:
    """Return the batch with the lines of another number of columns rejected."""
    expected = len(dialect.columns) - 1
    delimiter = dialect.delimiter.encode()
    counts = [line.count(delimiter) for line in batch.lines]
    rejections = batch.rejections
    rows, line_numbers, lines = batch.row_numbers, batch.line_numbers, batch.lines
    if any(count != expected for count in counts):
        kept, rejections = [], list(rejections)
        for row, number, line, count in zip(rows, line_numbers, lines, counts, strict=True):
            if count == expected:
                kept.append((row, number, line))
            else:
                rejections.append(wrong_width(line.decode(), count + 1, expected + 1, row, number))
        rows = [row for row, _, _ in kept]
        line_numbers = [number for _, number, _ in kept]
        lines = [line for _, _, line in kept]
    if not batch.is_quoted:
        return replace(
            batch, row_numbers=rows, line_numbers=line_numbers, lines=lines, rejections=rejections
        )
    fields = [line.decode().split(dialect.delimiter) for line in lines]
    return Batch(rows, line_numbers, fields=fields, is_quoted=True, rejections=rejections)


def _read_quoted(blocks: Iterator[Block], dialect: _Dialect) -> Iterator[Batch]:
    """Yield the records; blocks without a quote character, and lines too long, are taken whole."""
    row = 1
    quote = dialect.quote.encode()
    for block in blocks:
        if quote not in block.data or block.oversized is not None:
            batches: Iterable[Batch] = (
                _of_right_width(batch, dialect) for batch in read_batches([block])
            )
        else:
            batches = [_records(_Lines(block, blocks), dialect)]
        for batch in batches:
            yield shifted(batch, row - 1)
            row += batch.count + len(batch.rejections)


class _Lines:
    """The lines of a block; and of the next one, when a quoted value goes on there."""

    def __init__(self, block: Block, blocks: Iterator[Block]) -> None:
        self.blocks = blocks
        self.waiting: deque[tuple[int, int, bytes]] = deque(_numbered(block))
        self.taken: list[tuple[int, int, bytes]] = []
        self.taken_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if not self.waiting and self.taken and (block := next(self.blocks, None)) is not None:
            if block.oversized is not None:
                raise self._unterminated()
            self.waiting.extend(_numbered(block))
        if not self.waiting:
            raise StopIteration
        line = self.waiting.popleft()
        self.taken.append(line)
        self.taken_bytes += len(line[2])
        if self.taken_bytes > MAX_RECORD_BYTES + 1:
            raise self._unterminated()
        return line[2].decode("utf-8", "surrogateescape")

    def _unterminated(self) -> FileRefused:
        return FileRefused(
            "unterminated_quote",
            f"a quoted value begins at line {self.taken[0][0]} and does not end within "
            f"{MAX_RECORD_BYTES:,} bytes",
        )

    def begin(self) -> bool:
        """Forget the record before; tell whether another one begins in these blocks."""
        self.taken, self.taken_bytes = [], 0
        return bool(self.waiting)

    def give_back_all_but_first(self) -> None:
        self.waiting.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def _numbered(block: Block) -> Iterator[tuple[int, int, bytes]]:
    offset = block.offset
    *lines, last = block.lines
    ended = [line + b"\n" for line in lines] + ([last] if last else [])
    for number, line in enumerate(ended, start=block.first_line):
        yield number, offset, line
        offset += len(line)


def _records(lines: _Lines, dialect: _Dialect) -> Batch:
    """Return the records that begin in these lines, numbered from 1."""
    reader = csv.reader(lines, delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True)
    width = len(dialect.columns)
    rows: list[int] = []
    line_numbers: list[int] = []
    fields: list[list[str]] = []
    rejections: list[Rejection] = []
    row = 1
    while lines.begin():
        problem = None
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            problem, record = _csv_problem(error, lines), []
        if not problem and (not record or (len(record) == 1 != width and not record[0].strip())):
            continue
        if not problem and len(record) != width:
            problem = "wrong_column_count", f"{len(record)} columns; expected {width}"
        if problem and len(lines.taken) > 1:
            # The record may have swallowed its neighbours: only its first line is given up.
            lines.give_back_all_but_first()
        number, offset, _ = lines.taken[0]
        raw = b"".join(line for _, _, line in lines.taken)
        problem = unsafe_bytes(raw) or problem
        if problem is None:
            rows.append(row)
            line_numbers.append(number)
            fields.append(record)
        else:
            rejection = rejected_bytes(raw.rstrip(b"\r\n"), *problem, row, number, offset)
            is_text = problem[0] not in ("invalid_utf8", "control_character")
            rejections.append(replace(rejection, raw=None) if is_text else rejection)
        row += 1
    return Batch(rows, line_numbers, fields=fields, is_quoted=True, rejections=rejections)


def _csv_problem(error: csv.Error, lines: _Lines) -> tuple[str, str]:
    if "unexpected end of data" in str(error):
        raise FileRefused(
            "unterminated_quote",
            f"a quoted value begins at line {lines.taken[0][0]} and never ends",
        ) from error
    return "malformed_quote", str(error)


# ---------------------------------------------------------------- fields


def _count_fields(
    delivery: Delivery, dialect: _Dialect, connection: duckdb.DuckDBPyConnection, samples: Samples
) -> dict[int, FieldCounts]:
    rows_of = {
        number: [
            line.decode().split(dialect.delimiter) if isinstance(line, bytes) else line
            for line in sample
        ]
        for number, sample in samples.items()
    }
    counts = {number: count_filled(dialect.columns, rows) for number, rows in rows_of.items()}
    for name in json_columns(delivery.raw_table) & set(dialect.columns):
        position = dialect.columns.index(name)
        texts_of = {
            number: [_LINE_ENDS.sub(" ", row[position]).encode() for row in rows if row[position]]
            for number, rows in rows_of.items()
        }
        within = count_json_texts(delivery.work_dir, connection, texts_of, above=(name,))
        for number, texts in texts_of.items():
            if texts:
                del counts[number][(name,), "string"]
                counts[number] += within.get(number, FieldCounts())
    return counts


# ---------------------------------------------------------------- inserting a work file


def _insert(
    delivery: Delivery, dialect: _Dialect, connection: duckdb.DuckDBPyConnection, part: Part
) -> PartOutcome:
    names = [f"c{number}" for number in range(1, len(dialect.columns) + 1)]
    relation = part_relation(part, names)
    plan = column_plan(delivery, dict(zip(dialect.columns, names, strict=True)))
    inserted = insert_rows(
        connection,
        delivery,
        relation,
        columns=plan.columns,
        other_fields=plan.other_fields,
        condition=plan.fits,
    )
    rejections = Rejections(delivery.work_dir, part.rejections)
    if inserted < part.count:
        text = _line_of(names, dialect)
        left = rows_of(
            connection,
            f"select row_number, line_number, {text} from {relation} where not ({plan.fits})",
        )
        rejections.extend(wrong_type(*each) for each in left)
    return PartOutcome(part.count + len(part.rejections), inserted, rejections)


def _line_of(names: Sequence[str], dialect: _Dialect) -> str:
    """Return an expression of the record as a line that the reader would take apart alike."""
    values = [f"coalesce({name}, '')" for name in names]
    if dialect.is_quoting:
        quote = dialect.quote
        odd = literal("[" + "".join(f"\\{each}" for each in (quote, dialect.delimiter)) + "\r\n]")
        doubled = f"{literal(quote)} || replace({{0}}, {literal(quote)}, {literal(2 * quote)})"
        values = [
            f"case when regexp_matches({each}, {odd}) "
            f"then {doubled.format(each)} || {literal(quote)} else {each} end"
            for each in values
        ]
    return f"concat_ws({literal(dialect.delimiter)}, {', '.join(values)})"
