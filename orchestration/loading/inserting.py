"""How rows and rejections of files, one or many at once, reach the warehouse. Imports DuckDB."""

import base64
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path

import duckdb

from orchestration.loading.raw_tables import OWN_COLUMNS_BEFORE
from orchestration.loading.text import KEPT_BYTES, Rejection
from orchestration.loading.warehouse import file_literal, identifier, literal
from orchestration.sources import RawTable, Source

_ROW_BITS = 40
"""The row numbers of the files that are read at once: above them stands the number of the file."""


def row_base(file_number: int) -> int:
    """Return what the row numbers of that file begin after, while files are read at once."""
    return file_number << _ROW_BITS


def file_and_row(row_number: int) -> tuple[int, int]:
    """Return the number of the file, and the number that the row has in it."""
    return row_number >> _ROW_BITS, row_number & (row_base(1) - 1)


class Care(Enum):
    """How much a reader may take for granted; what fails one way is read another."""

    FAST = "a sample of many records has every member, memory suffices, and what follows"
    WHOLE = "nothing is nested that the twin does not declare, every value fits"
    SURVEYED = "every value fits"
    EACH_RECORD = "nothing"


@dataclass(frozen=True)
class Delivery:
    """The content of a file, or of several at once, on its way into a raw table."""

    source: Source
    raw_table: RawTable
    file_ids: tuple[str, ...]
    loaded_at: datetime
    work_dir: Path
    care: Care = Care.FAST
    path_values: Mapping[str, str | None] = field(default_factory=dict)


def insert_rows(
    connection: duckdb.DuckDBPyConnection,
    delivery: Delivery,
    relation: str,
    *,
    columns: Mapping[str, str],
    other_fields: str = "null",
    row_number: str = "row_number",
    condition: str = "true",
) -> int:
    """Insert what the relation holds, a SQL expression per column, and return how many rows."""
    own = [
        literal(delivery.source.name),
        literal(delivery.source.timezone),
        *_file_and_row(delivery, row_number),
        f"timestamp {literal(delivery.loaded_at.isoformat(sep=' '))}",
    ]
    from_path = {
        name: "null" if value is None else literal(value)
        for name, value in delivery.path_values.items()
    }
    columns = {**columns, **from_path}
    names = [name for name, _ in OWN_COLUMNS_BEFORE] + list(columns) + ["_other_fields"]
    statement = (
        f"insert into raw.{identifier(delivery.raw_table.name)} "
        f"({', '.join(map(identifier, names))}) "
        f"select {', '.join([*own, *columns.values(), other_fields])} "
        f"from {relation} where {condition}"
    )
    (inserted,) = connection.execute(statement).fetchone()
    return inserted


def count_inserted(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> dict[str, int]:
    """Return how many rows the raw table has of the delivery, by the id of the file."""
    rows = connection.execute(
        f"select _file_id, count(*) from raw.{identifier(delivery.raw_table.name)} "
        "where _loaded_at = $1 and _file_id in (select unnest($2::varchar[])) group by 1",
        [delivery.loaded_at, list(delivery.file_ids)],
    ).fetchall()
    return dict(rows)


def insert_rejections(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, rejections: Iterable[Rejection]
) -> Counter[int]:
    """Insert the rejected records and return how many there are by number of the file.

    They go through a work file since there may be very many.
    """
    path = delivery.work_dir / "rejections.work"
    counts: Counter[int] = Counter()
    with open(path, "w", encoding="utf-8") as file:
        for rejection in rejections:
            file_number, row_number = file_and_row(rejection.row_number)
            own = {"file_id": delivery.file_ids[file_number], "row_number": row_number}
            file.write(json.dumps(own | _as_row(rejection)) + "\n")
            counts[file_number] += 1
    if counts:
        connection.execute(
            f"insert into raw.rejected_records by name select "
            f"{literal(delivery.source.name)} as source_name, "
            f"timestamp {literal(delivery.loaded_at.isoformat(sep=' '))} as rejected_at, * "
            f"from read_json({file_literal(path)}, format = 'newline_delimited', "
            "hive_partitioning = false, columns = {"
            "file_id: 'varchar', row_number: 'bigint', line_number: 'bigint', "
            "byte_offset: 'bigint', reason: 'varchar', detail: 'varchar', record_text: 'varchar', "
            "record_base64: 'varchar', is_whole: 'boolean'})"
        )
    return counts


def _file_and_row(delivery: Delivery, row_number: str) -> tuple[str, str]:
    """Return the SQL of the file's id and of the row's number in it."""
    if len(delivery.file_ids) == 1:
        return literal(delivery.file_ids[0]), row_number
    ids = ", ".join(map(literal, delivery.file_ids))
    return (
        f"([{ids}])[(({row_number}) >> {_ROW_BITS}) + 1]",
        f"({row_number}) & {row_base(1) - 1}",
    )


def _as_row(rejection: Rejection) -> dict[str, object]:
    raw = rejection.raw
    return {
        "line_number": rejection.line_number,
        "byte_offset": rejection.byte_offset,
        "reason": rejection.reason,
        "detail": rejection.detail[:1000],
        "record_text": _kept(rejection.text),
        "record_base64": None if raw is None else base64.b64encode(raw[:KEPT_BYTES]).decode(),
        "is_whole": _is_whole(rejection),
    }


def _is_whole(rejection: Rejection) -> bool:
    """Tell whether all of the record is kept; one that fills what is kept was probably cut."""
    kept = rejection.raw
    if kept is None:
        kept = (rejection.text or "").encode("utf-8", "replace")
    return len(kept) < KEPT_BYTES


def _kept(text: str | None) -> str | None:
    if text is None:
        return None
    # Half a character at the cut, lone surrogates and NUL are no valid text.
    cut = text.encode("utf-8", "replace")[:KEPT_BYTES].decode("utf-8", "ignore")
    return cut.replace("\0", "\ufffd")
