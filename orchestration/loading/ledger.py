"""The ledger `raw.load_files`: one row per delivery of a file. Imports DuckDB."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from orchestration.loading.finding import FoundFile
from orchestration.loading.reasons import RETRIED_REASONS
from orchestration.loading.warehouse import identifier
from orchestration.sources import RawTable, Source


@dataclass(frozen=True)
class KnownDelivery:
    """What the ledger says of the latest delivery under a path."""

    size_bytes: int
    modified_at: datetime
    status: str
    reason: str | None
    file_id: str | None

    def is_same_file(self, found: FoundFile) -> bool:
        """Tell whether the file looks as it did then."""
        return (self.size_bytes, self.modified_at) == (found.size_bytes, found.modified_at)

    @property
    def is_settled(self) -> bool:
        """Tell whether the same file need not be tried again."""
        return self.status != "refused" or self.reason not in RETRIED_REASONS


@dataclass(frozen=True)
class LedgerRow:
    """What is to be said of one delivery."""

    file_id: str | None
    content_sha256: str | None
    status: str
    reason: str | None = None
    detail: str | None = None
    records_read: int = 0
    records_loaded: int = 0
    records_rejected: int = 0
    load_seconds: float = 0.0


def known_deliveries(
    connection: duckdb.DuckDBPyConnection, source: Source
) -> dict[str, KnownDelivery]:
    """Return the latest delivery under each path of the source."""
    rows = connection.execute(
        """
        select path, size_bytes, modified_at, status, reason, file_id
        from raw.load_files
        where source_name = $1
        qualify row_number() over (partition by path order by load_id desc) = 1
        """,
        [source.name],
    ).fetchall()
    return {path: KnownDelivery(*rest) for path, *rest in rows}


def is_loaded(connection: duckdb.DuckDBPyConnection, file_id: str) -> bool:
    """Tell whether this content stands in the raw table now."""
    return bool(
        connection.execute(
            "select 1 from raw.load_files where file_id = $1 and status = 'loaded' "
            "and superseded_by_file_id is null limit 1",
            [file_id],
        ).fetchall()
    )


def supersede_older_delivery(
    connection: duckdb.DuckDBPyConnection, source: Source, path: str, file_id: str
) -> None:
    """Remove the rows of what was delivered under this path before, if nothing else delivers it."""
    latest = connection.execute(
        """
        select path, file_id
        from raw.load_files
        where source_name = $1 and status <> 'refused'
        qualify row_number() over (partition by path order by load_id desc) = 1
        """,
        [source.name],
    ).fetchall()
    older = dict(latest).get(path)
    if older in (None, file_id) or any(
        other == older and other_path != path for other_path, other in latest
    ):
        return
    tables = connection.execute(
        "select distinct raw_table from raw.load_files where file_id = $1 and status = 'loaded'",
        [older],
    ).fetchall()
    for (table,) in tables:
        connection.execute(f"delete from raw.{identifier(table)} where _file_id = $1", [older])
    connection.execute("delete from raw.rejected_records where file_id = $1", [older])
    connection.execute(
        "update raw.load_files set superseded_by_file_id = $1 "
        "where file_id = $2 and status = 'loaded' and superseded_by_file_id is null",
        [file_id, older],
    )


def write_row(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    raw_table: RawTable,
    found: FoundFile,
    row: LedgerRow,
    loaded_at: datetime,
) -> None:
    """Append the row under the next load id."""
    connection.execute(
        """
        insert into raw.load_files
        select
            (select coalesce(max(load_id), 0) + 1 from raw.load_files),
            $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, null, $15, $16
        """,
        [
            row.file_id,
            source.name,
            source.kind,
            raw_table.name,
            found.shown_path,
            row.content_sha256,
            found.size_bytes,
            found.modified_at,
            row.status,
            row.reason,
            row.detail,
            row.records_read,
            row.records_loaded,
            row.records_rejected,
            loaded_at,
            row.load_seconds,
        ],
    )
