"""The ledger `raw.load_files`: one row per delivery of a file. Imports DuckDB."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import duckdb

from orchestration.loading.finding import FoundFile
from orchestration.loading.options import Options, changed, limits_of, options_of
from orchestration.loading.reasons import RETRIED_REASONS
from orchestration.loading.warehouse import identifier
from orchestration.sources import RawTable, Source


@dataclass(frozen=True)
class KnownDelivery:
    """What the ledger says of the latest delivery under a path."""

    size_bytes: int
    modified_at: datetime
    etag: str | None
    status: str
    reason: str | None
    detail: str | None
    file_id: str | None
    options: Options

    def is_same_file(self, found: FoundFile) -> bool:
        """Tell whether the file looks as it did then."""
        return (self.size_bytes, self.modified_at, self.etag) == (
            found.size_bytes,
            found.modified_at,
            found.etag,
        )

    def is_settled(self, today: Options) -> bool:
        """Tell whether the same file need not be tried again; a refused one by other options is."""
        return self.status != "refused" or (
            self.reason not in RETRIED_REASONS and not changed(self.options, today)
        )


@dataclass(frozen=True)
class LedgerRow:
    """What is to be said of one delivery; `format` and `preamble` tell how to read a record of it.

    `options` are those that the file was read by; of a refused one, also those that refused it.
    """

    file_id: str | None
    content_sha256: str | None
    status: str
    reason: str | None = None
    detail: str | None = None
    records_read: int = 0
    records_loaded: int = 0
    records_rejected: int = 0
    load_seconds: float = 0.0
    format: str | None = None
    preamble: bytes | None = None
    options: Options = field(default_factory=dict)


@dataclass(frozen=True)
class QuarantinedFile:
    """A loaded file of which records are rejected; `rejected` counts those that were asked for."""

    file_id: str
    raw_table: str
    path: str
    content_sha256: str
    format: str | None
    preamble: bytes | None
    records_read: int
    paths: tuple[str, ...]
    rejected: int
    options: Options


def now() -> datetime:
    """Return the present time as the ledger writes it: UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def known_deliveries(
    connection: duckdb.DuckDBPyConnection, source: Source
) -> dict[str, KnownDelivery]:
    """Return the latest delivery under each path of the source."""
    rows = connection.execute(
        """
        select path, size_bytes, modified_at, etag, status, reason, detail, file_id, options
        from raw.load_files
        where source_name = $1
        qualify row_number() over (partition by path order by load_id desc) = 1
        """,
        [source.name],
    ).fetchall()
    return {path: KnownDelivery(*rest, _options(text)) for path, *rest, text in rows}


def options_for_refused(source: Source, raw_table: RawTable) -> Options:
    """Return all that, once it changes, is a reason to try a refused file again."""
    options = [options_of(source, each, None) for each in raw_table.all_of_kind]
    columns = ",".join(each["columns"] for each in options)
    return {**options[0], "columns": columns, **limits_of(source)}


def files_read_otherwise(
    connection: duckdb.DuckDBPyConnection, source: Source, raw_table: RawTable
) -> dict[str, tuple[str, ...]]:
    """Return, by file id, which options of today are others than those a file was read by."""
    rows = connection.execute(
        """
        select file_id, raw_table, format, options from raw.load_files
        where source_name = $1 and status = 'loaded' and superseded_by_file_id is null
        """,
        [source.name],
    ).fetchall()
    tables = {table.name: table for table in raw_table.all_of_kind}
    today = {
        (name, fmt): options_of(source, tables.get(name, raw_table), fmt)
        for name, fmt in {(name, fmt) for _, name, fmt, _ in rows}
    }
    found = {
        file_id: changed(_options(text), today[name, fmt]) for file_id, name, fmt, text in rows
    }
    return {file_id: names for file_id, names in found.items() if names}


def is_loaded(connection: duckdb.DuckDBPyConnection, file_id: str) -> bool:
    """Tell whether this content stands in the raw table now."""
    return bool(
        connection.execute(
            "select 1 from raw.load_files where file_id = $1 and status = 'loaded' "
            "and superseded_by_file_id is null limit 1",
            [file_id],
        ).fetchall()
    )


def has_content(connection: duckdb.DuckDBPyConnection, source: Source, content_sha256: str) -> bool:
    """Tell whether this content stands in a raw table now, whichever its table and id."""
    return bool(
        connection.execute(
            "select 1 from raw.load_files where source_name = $1 and content_sha256 = $2 "
            "and status = 'loaded' and superseded_by_file_id is null limit 1",
            [source.name, content_sha256],
        ).fetchall()
    )


def count_rejections(connection: duckdb.DuckDBPyConnection, file_id: str) -> list[tuple[str, int]]:
    """Return how many records of the file are rejected for what, the most frequent first."""
    return connection.execute(
        "select reason, count(*) from raw.rejected_records where file_id = $1 "
        "group by reason order by 2 desc, 1",
        [file_id],
    ).fetchall()


def first_rejection(
    connection: duckdb.DuckDBPyConnection, file_id: str
) -> tuple[int, str, str | None]:
    """Return record number, reason and detail of the first rejected record of the file."""
    (first,) = connection.execute(
        "select row_number, reason, detail from raw.rejected_records where file_id = $1 "
        "order by row_number limit 1",
        [file_id],
    ).fetchall()
    return first


def files_with_rejections(
    connection: duckdb.DuckDBPyConnection, source: Source, reasons: Sequence[str]
) -> list[QuarantinedFile]:
    """Return the source's files with rejected records, of these reasons only if any is given."""
    rows = connection.execute(
        """
        with
        rejected as (
            select file_id, count(*) as record_count
            from raw.rejected_records
            where source_name = $1 and (len($2::varchar[]) = 0 or reason in $2::varchar[])
            group by file_id
        ),
        delivered as (
            select file_id, list(path order by load_id desc) as paths
            from raw.load_files where source_name = $1 and file_id is not null
            group by file_id
        )
        select
            file.file_id, file.raw_table, file.path, file.content_sha256, file.format,
            file.preamble, file.records_read, delivered.paths, rejected.record_count, file.options
        from rejected
        inner join delivered on delivered.file_id = rejected.file_id
        inner join raw.load_files as file
            on file.file_id = rejected.file_id
            and file.status = 'loaded' and file.superseded_by_file_id is null
        order by file.load_id
        """,
        [source.name, list(reasons)],
    ).fetchall()
    return [
        QuarantinedFile(*rest, tuple(paths), count, _options(text))
        for *rest, paths, count, text in rows
    ]


def count_replayed(connection: duckdb.DuckDBPyConnection, file_id: str, count: int) -> None:
    """Count so many records of the file as loaded that were counted as rejected."""
    connection.execute(
        "update raw.load_files set records_loaded = records_loaded + $2, "
        "records_rejected = records_rejected - $2 "
        "where file_id = $1 and status = 'loaded' and superseded_by_file_id is null",
        [file_id, count],
    )


def take_out(connection: duckdb.DuckDBPyConnection, file_id: str) -> None:
    """Remove what was read of this content, wherever it stands; its row in the ledger stays."""
    tables = connection.execute(
        "select raw_table from raw.load_files where file_id = $1 and status = 'loaded' "
        "and superseded_by_file_id is null",
        [file_id],
    ).fetchall()
    for (table,) in tables:
        connection.execute(f"delete from raw.{identifier(table)} where _file_id = $1", [file_id])
    for table in ("rejected_records", "replayed_records", "file_fields"):
        connection.execute(f"delete from raw.{table} where file_id = $1", [file_id])


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
    take_out(connection, older)
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
    values = {
        "load_id": _next_load_id(connection),
        "file_id": row.file_id,
        "source_name": source.name,
        "source_kind": source.kind,
        "raw_table": raw_table.name,
        "path": found.shown_path,
        "content_sha256": row.content_sha256,
        "size_bytes": found.size_bytes,
        "modified_at": found.modified_at,
        "etag": found.etag,
        "status": row.status,
        **_outcome(row, loaded_at),
    }
    names = ", ".join(map(identifier, values))
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    connection.execute(
        f"insert into raw.load_files ({names}) values ({places})", list(values.values())
    )


def rewrite_row(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    raw_table: RawTable,
    found: FoundFile,
    row: LedgerRow,
    loaded_at: datetime,
) -> bool:
    """Say in the row of a file that it was read anew; return whether that row has found's path."""
    live = "file_id = $1 and status = 'loaded' and superseded_by_file_id is null"
    values = {"source_kind": source.kind, "raw_table": raw_table.name, **_outcome(row, loaded_at)}
    changes = ", ".join(f"{identifier(name)} = ${n}" for n, name in enumerate(values, start=2))
    connection.execute(
        f"update raw.load_files set {changes} where {live}", [row.file_id, *values.values()]
    )
    (count,) = connection.execute(
        "update raw.load_files set load_id = $2, size_bytes = $3, modified_at = $4, etag = $5 "
        f"where {live} and path = $6",
        [
            row.file_id,
            _next_load_id(connection),
            found.size_bytes,
            found.modified_at,
            found.etag,
            found.shown_path,
        ],
    ).fetchone()
    return bool(count)


def _outcome(row: LedgerRow, loaded_at: datetime) -> dict[str, object]:
    return {
        "reason": row.reason,
        "detail": row.detail,
        "records_read": row.records_read,
        "records_loaded": row.records_loaded,
        "records_rejected": row.records_rejected,
        "loaded_at": loaded_at,
        "load_seconds": row.load_seconds,
        "format": row.format,
        "preamble": row.preamble,
        "options": json.dumps(row.options),
    }


def _next_load_id(connection: duckdb.DuckDBPyConnection) -> int:
    (load_id,) = connection.execute(
        "select coalesce(max(load_id), 0) + 1 from raw.load_files"
    ).fetchone()
    return load_id


def _options(text: str | None) -> Options:
    return json.loads(text) if text else {}
