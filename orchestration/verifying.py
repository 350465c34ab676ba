"""Do increments give what a build from nothing gives, on a sample of the warehouse's own data?

The warehouse is only read; all is built in a folder that is removed at the end. No Dagster.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration import dbt, locking, operations
from orchestration.comparing import TableComparison, compare
from orchestration.loading import create_raw_tables
from orchestration.loading.warehouse import identifier, literal, when_free
from orchestration.settings import Settings

DEFAULT_RECORDS = 50_000
LOADS = 3

# The tables beside those of records that say something of a record, by its number in its file.
_OF_RECORDS = ("rejected_records", "replayed_records")
# … and of a file as a whole.
_OF_FILES = ("load_files", "file_fields")


class CannotVerify(Exception):
    """There is nothing to build; the message says what to do."""


@dataclass(frozen=True)
class Sample:
    """What was taken from the warehouse."""

    sources: int
    files: int
    records: int
    seconds: float


@dataclass(frozen=True)
class Verification:
    """What was built twice, and how what increments gave differs from what a build anew gave."""

    sample: Sample
    tables: tuple[TableComparison, ...]
    seconds: float

    @property
    def differing(self) -> tuple[TableComparison, ...]:
        """Return the tables that differ."""
        return tuple(table for table in self.tables if table.differences)

    @property
    def passed(self) -> bool:
        """Tell whether every table is the same, row for row."""
        return not self.differing


@dataclass(frozen=True)
class _File:
    source_name: str
    file_id: str
    raw_table: str
    records: int


@dataclass(frozen=True)
class _Piece:
    """Records of a file that one load delivers, by their numbers: after one, up to another."""

    file: _File
    load: int
    after: int
    up_to: int


def verify(
    settings: Settings,
    command: str,
    *,
    records: int = DEFAULT_RECORDS,
    say: Callable[[str], None],
    on_line: Callable[[str], None] = lambda _: None,
) -> Verification:
    """Build a sample of about so many records by increments and anew, and compare the tables.

    The newest files come first: what takes time for order goes wrong with them. `say` is told what
    is done, `on_line` what dbt prints. Holds the warehouse lock as `command` while it reads.
    """
    if not settings.warehouse_path.exists():
        raise CannotVerify(f"{settings.warehouse_path} does not exist; run: clickstream load")
    started = time.monotonic()
    with _scratch_folder(settings, command) as folder:
        sampled, increments, anew = (
            settings.with_data_dir(folder / name) for name in ("sample", "increments", "anew")
        )
        with operations.warehouse_lock(settings, command, say=say):
            sample, pieces = _take_sample(settings, sampled, records)
        say(
            f"took {sample.records:,} records of the newest files ({sample.files:,} files, "
            f"{sample.sources:,} sources; {sample.seconds:.1f} s)"
        )
        for load in range(LOADS):
            with _receiving(increments, sampled.warehouse_path) as connection:
                count = _copy(connection, [piece for piece in pieces if piece.load == load])
            seconds = dbt.build_models(increments, on_line=on_line).seconds
            say(f"built increment {load + 1} of {LOADS}: {count:,} records ({seconds:.1f} s)")
        anew.make_directories()
        shutil.copyfile(increments.warehouse_path, anew.warehouse_path)
        seconds = dbt.build_models(anew, "--full-refresh", on_line=on_line).seconds
        say(f"built all of it anew ({seconds:.1f} s)")
        tables = compare(increments, anew)
    return Verification(sample, tables, time.monotonic() - started)


@contextmanager
def _scratch_folder(settings: Settings, command: str) -> Iterator[Path]:
    """Give an empty folder below the data folder, and remove it, as well as one that was left."""
    settings.make_directories()
    folder = settings.data_dir / "verify"
    lock = settings.data_dir / "verify.lock"
    with locking.hold(lock, command, what="verification", wait_seconds=0):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _take_sample(
    settings: Settings, sampled: Settings, records: int
) -> tuple[Sample, list[_Piece]]:
    """Copy the first records of the newest files, and what is known of them, to a warehouse."""
    started = time.monotonic()
    with _receiving(sampled, settings.warehouse_path) as connection:
        pieces = _pieces(_newest_files(connection), records)
        if not pieces:
            raise CannotVerify("no record is loaded yet; run: clickstream load")
        count = _copy(connection, pieces)
    sources = {piece.file.file_id: piece.file.source_name for piece in pieces}
    seconds = time.monotonic() - started
    return Sample(len(set(sources.values())), len(sources), count, seconds), pieces


def _newest_files(connection: duckdb.DuckDBPyConnection) -> dict[str, list[_File]]:
    """Return the files that have records in tables of today, by source, the newest first."""
    rows = connection.execute(
        """
        select source_name, file_id, raw_table, records_read
        from origin.raw.load_files
        where
            status = 'loaded' and superseded_by_file_id is null and records_loaded > 0
            and raw_table in (
                select table_name from duckdb_tables()
                where schema_name = 'raw' and database_name = current_database()
            )
        order by source_name, load_id desc
        """
    ).fetchall()
    files: dict[str, list[_File]] = {}
    for row in rows:
        file = _File(*row)
        files.setdefault(file.source_name, []).append(file)
    return files


def _pieces(files_of: dict[str, list[_File]], records: int) -> list[_Piece]:
    """Share the number of records among the sources, and cut what is taken into the loads."""
    pieces = []
    left = records
    totals = {name: sum(file.records for file in files) for name, files in files_of.items()}
    # The small ones first: what they do not fill is left for the large ones.
    for number, name in enumerate(sorted(totals, key=lambda name: totals[name])):
        share = max(min(totals[name], left // (len(totals) - number)), 1)
        left -= share
        pieces += _pieces_of_source(files_of[name], share)
    return pieces


def _pieces_of_source(files: Sequence[_File], share: int) -> Iterator[_Piece]:
    # Of large files the first records only: each load is to have a file where there are so many.
    limit = -(-share // min(len(files), LOADS))
    taken = []
    while share > 0 and len(taken) < len(files):
        file = files[len(taken)]
        count = min(file.records, limit)
        taken.append((file, count))
        share -= count
    for number, (file, count) in enumerate(taken):
        if len(taken) >= LOADS:
            yield _Piece(file, number * LOADS // len(taken), 0, count)
            continue
        # Too few files: each comes in parts, its last records first, as one that is replayed does.
        bounds = [count * part // LOADS for part in range(LOADS, -1, -1)]
        for load, (up_to, after) in enumerate(zip(bounds, bounds[1:], strict=False)):
            yield _Piece(file, load, after, up_to)


@contextmanager
def _receiving(settings: Settings, origin: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a warehouse with all raw tables and sources, and the other that it is to copy from."""
    settings.make_directories()
    configuration = operations.read_configuration(settings)
    with operations.connect(settings) as connection:
        create_raw_tables(connection, configuration.raw_tables, configuration.sources)
        attach = f"attach {literal(str(origin))} as origin (read_only)"
        when_free(origin, lambda: connection.execute(attach))
        # What is no longer configured keeps the settings it was read by.
        _insert(connection, "sources", "source_name not in (select source_name from raw.sources)")
        yield connection
        connection.execute("detach origin")


def _copy(connection: duckdb.DuckDBPyConnection, pieces: Sequence[_Piece]) -> int:
    """Copy the pieces with what the ledger says of them, and return how many records these are."""
    connection.execute(
        "create or replace temp table pieces (file_id varchar, after bigint, up_to bigint)"
    )
    connection.executemany(
        "insert into pieces values ($1, $2, $3)",
        [(piece.file.file_id, piece.after, piece.up_to) for piece in pieces],
    )
    count = 0
    for table in sorted({piece.file.raw_table for piece in pieces}):
        count += _insert(connection, table, _in_pieces(pieces, "_file_id", "_row_number"))
    for table in _OF_RECORDS:
        _insert(connection, table, _in_pieces(pieces, "file_id", "row_number"))
    for table in _OF_FILES:
        _insert(
            connection,
            table,
            "file_id in (select file_id from pieces) "
            f"and file_id not in (select file_id from raw.{table})",
        )
    return count


def _in_pieces(pieces: Sequence[_Piece], file_id: str, row_number: str) -> str:
    # A list of values reaches the table: of a long history only the rows of these files are read.
    files = ", ".join(sorted({literal(piece.file.file_id) for piece in pieces}))
    return (
        f"{file_id} in ({files}) and exists (select 1 from pieces "
        f"where kept.{file_id} = pieces.file_id "
        f"and kept.{row_number} > pieces.after and kept.{row_number} <= pieces.up_to)"
    )


def _insert(connection: duckdb.DuckDBPyConnection, table: str, condition: str) -> int:
    """Copy the rows of a raw table for which the condition holds; return how many these are."""
    rows = connection.execute(
        """
        select column_name
        from duckdb_columns()
        where
            schema_name = 'raw' and table_name = $1
            and database_name in (current_database(), 'origin')
        group by column_name
        having count(*) = 2
        """,
        [table],
    ).fetchall()
    if not rows:
        return 0
    # The warehouse may have been prepared by other code: a column that one side lacks is left out.
    columns = ", ".join(identifier(name) for (name,) in rows)
    name = identifier(table)
    ((count,),) = connection.execute(
        f"insert into raw.{name} ({columns}) "
        f"select {columns} from origin.raw.{name} as kept where {condition}"
    ).fetchall()
    return count
