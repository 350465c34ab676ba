"""How things stand: what was loaded, built and published. Reads only; imports no Dagster."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from orchestration import locking
from orchestration.loading import files_read_otherwise
from orchestration.loading.warehouse import open_to_read
from orchestration.operations import read_configuration
from orchestration.publishing import Build, Publication, read_last_build, read_publication
from orchestration.settings import Settings

Rejections = list[tuple[str, int]]
KnownFile = tuple[str, str, int, datetime, str | None]
"""Source, path, size, time and tag of a file."""


@dataclass(frozen=True)
class SourceStatus:
    """What was loaded from one configured source so far; files that were replaced count no more."""

    name: str
    kind: str
    files: int
    files_refused: int
    records_read: int
    records_loaded: int
    records_rejected: int
    last_loaded_at: datetime | None
    freshness_hours: int | None

    def is_stale(self, now: datetime) -> bool:
        """Tell whether nothing was loaded for longer than the source allows."""
        if self.freshness_hours is None:
            return False
        if self.last_loaded_at is None:
            return True
        return now - self.last_loaded_at > timedelta(hours=self.freshness_hours)


@dataclass(frozen=True)
class Totals:
    """What became of every file and record so far: read = accepted + rejected + the other two."""

    files: int
    files_refused: int
    read: int
    accepted: int
    rejected: int
    duplicate: int
    superseded: int


@dataclass(frozen=True)
class WarehouseStatus:
    """What the warehouse says of itself."""

    sources: tuple[SourceStatus, ...]
    build: Build | None
    read_otherwise: Mapping[str, Mapping[str, tuple[str, ...]]]
    """By source: the files that were read by other options than today's, and which."""


@dataclass(frozen=True)
class Status:
    """The warehouse (None while busy or missing), who is writing it, and the published copy."""

    warehouse: WarehouseStatus | None
    holder: locking.Holder | None
    publication: Publication | None


def read_status(settings: Settings) -> Status:
    """Return how things stand, without waiting for anybody and without making anybody wait."""
    with locking.share(settings.lock_path) as holder:
        warehouse = None
        if holder is None and settings.warehouse_path.exists():
            warehouse = _read_warehouse(settings)
    return Status(warehouse, holder, read_publication(settings.published_path))


def read_totals(published_path: Path) -> Totals:
    """Return the sums of the published account of all files, `quality.load_files`."""
    with duckdb.connect(str(published_path), read_only=True) as connection:
        rows = connection.execute(
            """
            select
                count(*) filter (status in ('loaded', 'superseded')),
                count(*) filter (status = 'refused'),
                coalesce(sum(records_read), 0),
                coalesce(sum(records_accepted), 0),
                coalesce(sum(records_rejected), 0),
                coalesce(sum(records_duplicate), 0),
                coalesce(sum(records_superseded), 0)
            from quality.load_files
            """
        ).fetchall()
    return Totals(*rows[0])


def read_history(settings: Settings, source_name: str) -> tuple[SourceStatus, Rejections]:
    """Return what was loaded so far from one source, and how many records it lost to what.

    Call with the warehouse lock held.
    """
    with open_to_read(settings.warehouse_path) as connection:
        (source,) = (each for each in read_sources(connection) if each.name == source_name)
        rejections = connection.execute(
            """
            select reason, count(*)
            from raw.rejected_records
            where source_name = ?
            group by reason
            order by 2 desc, 1
            """,
            [source_name],
        ).fetchall()
    return source, rejections


def read_known_files(settings: Settings) -> set[KnownFile]:
    """Return every file in the ledger, loaded or not.

    Call with the warehouse lock held or shared; nobody else is waited for.
    """
    if not settings.warehouse_path.exists():
        return set()
    with open_to_read(settings.warehouse_path, wait_seconds=0) as connection:
        return set(
            connection.execute(
                "select source_name, path, size_bytes, modified_at, etag from raw.load_files"
            ).fetchall()
        )


def read_sources(connection: duckdb.DuckDBPyConnection) -> tuple[SourceStatus, ...]:
    """Return what was loaded so far from each configured source."""
    rows = connection.execute(
        """
        select
            sources.source_name,
            sources.source_kind,
            count(*) filter (files.status = 'loaded' and files.superseded_by_file_id is null),
            count(*) filter (files.status = 'refused'),
            coalesce(sum(files.records_read) filter (files.superseded_by_file_id is null), 0),
            coalesce(sum(files.records_loaded) filter (files.superseded_by_file_id is null), 0),
            coalesce(sum(files.records_rejected) filter (files.superseded_by_file_id is null), 0),
            max(files.loaded_at) filter (files.status = 'loaded'),
            sources.freshness_hours
        from raw.sources as sources
        left join raw.load_files as files on files.source_name = sources.source_name
        where sources.is_configured
        group by all
        order by sources.source_name
        """
    ).fetchall()
    return tuple(SourceStatus(*row) for row in rows)


def _read_warehouse(settings: Settings) -> WarehouseStatus:
    configuration = read_configuration(settings)
    with open_to_read(settings.warehouse_path, wait_seconds=0) as connection:
        read_otherwise = {
            source.name: files_read_otherwise(
                connection, source, configuration.raw_tables[source.kind]
            )
            for source in configuration.sources
        }
        return WarehouseStatus(
            read_sources(connection), read_last_build(connection), read_otherwise
        )
