"""Reader `w3c`: the W3C extended log format, whose `#Fields:` lines say what the columns are.

Such a line may come again with other columns, and counts for the records after it. Lines that
begin with `#` are directives, not records: they are neither counted nor kept.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from orchestration.loading.fields import FieldCounts, Samples, count_filled
from orchestration.loading.formats.common import PartOutcome, TextLoad
from orchestration.loading.formats.headed import (
    ColumnPlan,
    check_header,
    column_plan,
    wrong_type,
    wrong_width,
)
from orchestration.loading.inserting import Delivery, insert_rows
from orchestration.loading.parts import Part, part_relation
from orchestration.loading.rejections import Rejections
from orchestration.loading.text import Batch, Block, Rejection, read_batches, read_blocks, shifted
from orchestration.loading.warehouse import literal, rows_of
from orchestration.sources import Format

_FIELDS = b"#fields:"
_SAMPLED_LINES = 20

_Header = tuple[str, ...] | None
"""The names of the columns; None before the first `#Fields:`."""


def recognises(head: bytes) -> bool:
    """Tell whether one of the first lines names the fields."""
    return any(line.lower().startswith(_FIELDS) for line in head.splitlines()[:_SAMPLED_LINES])


def prepare(chunks: Iterator[bytes], delivery: Delivery, fmt: Format) -> TextLoad:
    """Return the lines that are no directives as records, and how to insert them."""
    log = _Log(delivery, fmt.options.get("delimiter", " "))
    return TextLoad(log.read(read_blocks(chunks)), "\x01", log.insert, log.count_fields)


@dataclass
class _Log:
    """A log being read: at which record which header begins, and how many rows came before.

    The reading thread is ahead of the inserting one, and only ever adds headers that are of no
    concern to the records before them. Rows are counted within the log.
    """

    delivery: Delivery
    delimiter: str
    first_rows: list[int] = field(default_factory=lambda: [1])
    headers: list[_Header] = field(default_factory=lambda: [None])
    offset: int | None = None

    def read(self, blocks: Iterator[Block]) -> Iterator[Batch]:
        """Yield the records; blocks without a directive are taken whole."""
        row = 1
        for block in blocks:
            has_directives = block.data.startswith(b"#") or b"\n#" in block.data
            for batch in read_batches([block]):
                batch = shifted(batch, row - 1)
                if has_directives:
                    batch = self._without_directives(batch)
                row += batch.count + len(batch.rejections)
                if batch.count or batch.rejections:
                    yield batch

    def insert(self, connection: duckdb.DuckDBPyConnection, part: Part) -> PartOutcome:
        """Insert the records of a work file, those of each header by its columns."""
        read = part.count + len(part.rejections)
        if self.offset is None:  # the members of the zip before this one
            self.offset = part.rows_before
        first = part.rows_before - self.offset + 1
        spans = self._spans(first, first + read - 1)
        headers = list(dict.fromkeys(header for _, header in spans))
        relation = self._relation(connection, part, spans, headers)
        plans = [self._plan(number, header) for number, header in enumerate(headers)]
        inserted = sum(
            insert_rows(
                connection,
                self.delivery,
                relation,
                columns=plan.columns,
                other_fields=plan.other_fields,
                condition=plan.fits,
            )
            for plan in plans
            if plan is not None
        )
        rejections = Rejections(self.delivery.work_dir, part.rejections)
        if inserted < part.count:
            for number, (header, plan) in enumerate(zip(headers, plans, strict=True)):
                rejections.extend(_left(connection, part, relation, number, header, plan))
        return PartOutcome(read, inserted, rejections)

    def count_fields(
        self, _connection: duckdb.DuckDBPyConnection, samples: Samples
    ) -> dict[int, FieldCounts]:
        """Return how many records fill each column, by the newest header of as many columns."""
        return {number: self._count(sample) for number, sample in samples.items()}

    def _count(self, sample: Sequence[bytes]) -> FieldCounts:
        counts: FieldCounts = Counter()
        rows = [line.decode().removesuffix(self.delimiter).split(self.delimiter) for line in sample]
        for width, header in {len(names): names for names in self.headers if names}.items():
            cells = [
                [cell if cell != "-" else "" for cell in row] for row in rows if len(row) == width
            ]
            counts += count_filled(header, cells)
        return counts

    def _without_directives(self, batch: Batch) -> Batch:
        """Return the batch renumbered without its directives, and remember its headers."""
        kept: list[tuple[int, int, bytes]] = []
        directives: list[int] = []
        for row, number, line in zip(
            batch.row_numbers, batch.line_numbers, batch.lines, strict=True
        ):
            if not line.startswith(b"#"):
                kept.append((row - len(directives), number, line))
                continue
            if line.lower().startswith(_FIELDS):
                names = tuple(line[len(_FIELDS) :].decode().split())
                self._begin(row - len(directives), names)
            directives.append(row)
        last = batch.unterminated_row
        return replace(
            batch,
            row_numbers=[row for row, _, _ in kept],
            line_numbers=[number for _, number, _ in kept],
            lines=[line for _, _, line in kept],
            rejections=[
                replace(each, row_number=each.row_number - bisect_left(directives, each.row_number))
                for each in batch.rejections
            ],
            unterminated_row=None
            if last is None or last in directives[-1:]
            else last - len(directives),
        )

    def _begin(self, row: int, header: _Header) -> None:
        if self.first_rows[-1] == row:
            self.headers[-1] = header
        elif self.headers[-1] != header:
            self.first_rows.append(row)
            self.headers.append(header)

    def _spans(self, first: int, last: int) -> list[tuple[int, _Header]]:
        """Return the headers that count for these records, each with the record it begins at."""
        begin, end = bisect_right(self.first_rows, first) - 1, bisect_right(self.first_rows, last)
        rows = [first, *self.first_rows[begin + 1 : end]]
        return list(zip(rows, self.headers[begin:end], strict=True))

    def _relation(
        self,
        connection: duckdb.DuckDBPyConnection,
        part: Part,
        spans: Sequence[tuple[int, _Header]],
        headers: Sequence[_Header],
    ) -> str:
        """Return the records taken apart, each with the number of its header."""
        records = part_relation(part, ["record"])
        number = "0"
        if len(headers) > 1:
            number_of = {header: number for number, header in enumerate(headers)}
            rows = [row + (self.offset or 0) for row, _ in spans]
            last = part.rows_before + part.count + len(part.rejections)
            connection.execute(
                "create or replace temp table header_of_row as select "
                "unnest(range(first_row, next_row)) as row_number, header from (select "
                "unnest($1::bigint[]) as first_row, unnest($2::bigint[]) as next_row, "
                "unnest($3::bigint[]) as header)",
                [rows, [*rows[1:], last + 1], [number_of[header] for _, header in spans]],
            )
            records = f"{records} inner join header_of_row using (row_number)"
            number = "header"
        cells = f"string_split(record, {literal(self.delimiter)})"
        return (
            f"(select row_number, line_number, record, {number} as header, {cells} as cells "
            f"from {records})"
        )

    def _plan(self, number: int, header: _Header) -> ColumnPlan | None:
        if header is None:
            return None
        check_header(header, self.delivery)
        width = len(header)
        values = {name: f"nullif(cells[{n}], '-')" for n, name in enumerate(header, start=1)}
        plan = column_plan(self.delivery, values)
        # some servers end every line with a delimiter
        is_whole = f"(len(cells) = {width} or len(cells) = {width + 1} and cells[{width + 1}] = '')"
        return replace(plan, fits=f"(header = {number} and {is_whole} and {plan.fits})")


def _left(
    connection: duckdb.DuckDBPyConnection,
    part: Part,
    relation: str,
    number: int,
    header: _Header,
    plan: ColumnPlan | None,
) -> Iterator[Rejection]:
    """Yield the rejections of a header's records that were not inserted."""
    fits = "false" if plan is None else plan.fits
    left = rows_of(
        connection,
        f"select row_number, line_number, record, len(cells) from {relation} "
        f"where header = {number} and not {fits}",
    )
    for row, line, text, width in left:
        if header is None:
            detail = "no #Fields: line before it"
            yield Rejection(row, "missing_header", detail, text=text, line_number=line)
        elif row in part.unterminated_rows and width < len(header):
            detail = f"{width} of {len(header)} columns, and no line end"
            yield Rejection(row, "truncated_record", detail, text=text, line_number=line)
        elif width == len(header):
            yield wrong_type(row, line, text)
        else:
            yield wrong_width(text, width, len(header), row, line)
