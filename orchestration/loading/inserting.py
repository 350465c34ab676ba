"""How rows, rejections and the ledger's row of one delivery reach the warehouse. Imports DuckDB."""

import base64
import json
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


class Care(Enum):
    """How much a reader may take for granted; what fails one way is read the next."""

    FAST = "nothing is nested that the twin does not declare, every value fits, memory suffices"
    SURVEYED = "every value fits"
    EACH_RECORD = "nothing"


@dataclass(frozen=True)
class Delivery:
    """A file's content on its way into a raw table."""

    source: Source
    raw_table: RawTable
    file_id: str
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
        literal(delivery.file_id),
        row_number,
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


def insert_rejections(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, rejections: Iterable[Rejection]
) -> int:
    """Insert the rejected records, through a file since there may be very many."""
    path = delivery.work_dir / "rejections.work"
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        for rejection in rejections:
            file.write(json.dumps(_as_row(rejection)) + "\n")
            count += 1
    if count:
        connection.execute(
            f"insert into raw.rejected_records by name select "
            f"{literal(delivery.file_id)} as file_id, "
            f"{literal(delivery.source.name)} as source_name, "
            f"timestamp {literal(delivery.loaded_at.isoformat(sep=' '))} as rejected_at, * "
            f"from read_json({file_literal(path)}, format = 'newline_delimited', columns = {{"
            "row_number: 'bigint', line_number: 'bigint', byte_offset: 'bigint', "
            "reason: 'varchar', detail: 'varchar', record_text: 'varchar', "
            "record_base64: 'varchar', is_whole: 'boolean'})"
        )
    return count


def _as_row(rejection: Rejection) -> dict[str, object]:
    raw = rejection.raw
    return {
        "row_number": rejection.row_number,
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
