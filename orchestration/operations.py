"""What the commands and the assets both do: prepare, load, build. Imports no Dagster."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import duckdb

from orchestration import dbt, locking
from orchestration.loading import (
    REJECTION_REASONS,
    FileReplay,
    LoadSummary,
    Progress,
    create_raw_tables,
    load_source,
    open_warehouse,
    replay_source,
    unfilled_mappings,
)
from orchestration.settings import Settings
from orchestration.sources import RawTable, Source, read_raw_tables, read_sources


class UnknownSource(Exception):
    """A source was asked for that is not configured; the message lists those that are."""


class UnknownReason(Exception):
    """A reason was asked for that the loader does not reject for; the message lists those."""


@dataclass(frozen=True)
class Configuration:
    """What is to be loaded: the configured sources, and the raw table of every known kind."""

    raw_tables: dict[str, RawTable]
    sources: tuple[Source, ...]

    def chosen(self, names: Sequence[str]) -> tuple[Source, ...]:
        """Return the sources called `names`, or all of them if none is named."""
        known = {source.name: source for source in self.sources}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UnknownSource(
                f"no source is called {', '.join(unknown)}; expected any of {', '.join(known)}"
            )
        return tuple(known[name] for name in names) if names else self.sources


@dataclass(frozen=True)
class SourceLoad:
    """What loading one source did, and how long it took."""

    source: Source
    summary: LoadSummary
    seconds: float
    unfilled: Mapping[str, str] = field(default_factory=dict)
    """Mapped columns that no record fills, with the fields they are mapped from."""


@dataclass(frozen=True)
class SourceReplay:
    """What putting the rejected records of one source through again did, file by file."""

    source: Source
    files: tuple[FileReplay, ...]
    seconds: float

    @property
    def tried(self) -> int:
        """Return how many rejected records there were."""
        return sum(file.tried for file in self.files)

    @property
    def replayed(self) -> int:
        """Return how many of them are loaded now."""
        return sum(file.replayed for file in self.files)

    @property
    def still_rejected(self) -> int:
        """Return how many were rejected once more."""
        return sum(file.still_rejected for file in self.files)

    @property
    def failed(self) -> tuple[FileReplay, ...]:
        """Return the files whose replay was undone."""
        return tuple(file for file in self.files if file.failure)


def read_configuration(settings: Settings) -> Configuration:
    """Return what sources.yml and the staging twins say."""
    raw_tables = read_raw_tables(settings.staging_dir)
    return Configuration(raw_tables, tuple(read_sources(settings.sources_path, raw_tables)))


def warehouse_lock(
    settings: Settings,
    command: str,
    *,
    wait_seconds: float = locking.DEFAULT_WAIT_SECONDS,
    say: Callable[[str], None] = print,
) -> AbstractContextManager[int]:
    """Hold the right to write the warehouse, under the name `command`."""
    settings.make_directories()
    return locking.hold(settings.lock_path, command, wait_seconds=wait_seconds, say=say)


def prepare(settings: Settings) -> Configuration:
    """Create the raw tables of every kind, empty, where they do not exist; return what is loaded.

    Call with the warehouse lock held.
    """
    configuration = read_configuration(settings)
    with connect(settings) as connection:
        create_raw_tables(connection, configuration.raw_tables, configuration.sources)
    return configuration


def load(
    settings: Settings,
    names: Sequence[str] = (),
    *,
    again: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_source: Callable[[SourceLoad], None] = lambda _: None,
) -> tuple[SourceLoad, ...]:
    """Load what is new in the sources called `names` (default: all), one after the other.

    With `again`, read anew all their files that are still there. Call with the warehouse lock held.
    """
    configuration = read_configuration(settings)
    chosen = configuration.chosen(names)
    loads = []
    with connect(settings) as connection:
        create_raw_tables(connection, configuration.raw_tables, configuration.sources)
        for source in chosen:
            started = time.monotonic()
            raw_table = configuration.raw_tables[source.kind]
            summary = load_source(
                connection,
                source,
                raw_table,
                settings.landing_dir,
                again=again,
                on_progress=on_progress,
            )
            unfilled = {}
            if summary.loaded:
                unfilled = unfilled_mappings(connection, source, raw_table)
            done = SourceLoad(source, summary, time.monotonic() - started, unfilled)
            loads.append(done)
            on_source(done)
    return tuple(loads)


def replay(
    settings: Settings,
    names: Sequence[str] = (),
    reasons: Sequence[str] = (),
    *,
    on_source: Callable[[SourceReplay], None] = lambda _: None,
) -> tuple[SourceReplay, ...]:
    """Put the rejected records of the sources through again, those of `reasons` if any is given.

    Call with the warehouse lock held.
    """
    unknown = [reason for reason in reasons if reason not in REJECTION_REASONS]
    if unknown:
        raise UnknownReason(
            f"the loader rejects nothing as {', '.join(unknown)}; expected any of "
            f"{', '.join(REJECTION_REASONS)}. What the models reject is judged anew at each build"
        )
    configuration = read_configuration(settings)
    chosen = configuration.chosen(names)
    replays = []
    with connect(settings) as connection:
        create_raw_tables(connection, configuration.raw_tables, configuration.sources)
        for source in chosen:
            started = time.monotonic()
            raw_table = configuration.raw_tables[source.kind]
            files = replay_source(connection, source, raw_table, settings.landing_dir, reasons)
            done = SourceReplay(source, files, time.monotonic() - started)
            replays.append(done)
            on_source(done)
    return tuple(replays)


def build(
    settings: Settings,
    *,
    full_refresh: bool = False,
    select: str | None = None,
    on_line: Callable[[str], None] | None = None,
) -> dbt.DbtRun:
    """Build and test the models with dbt, all of them unless `select` chooses some.

    What dbt prints goes to the terminal, or else line by line to `on_line`. Call with the
    warehouse lock held.
    """
    arguments = list(dbt.BUILD)
    if full_refresh:
        arguments.append("--full-refresh")
    if select:
        arguments += ["--select", select]
    return dbt.run_dbt(settings, *arguments, on_line=on_line)


def connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    """Open the warehouse of the settings for writing, within their limits."""
    return open_warehouse(
        settings.warehouse_path,
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        temp_dir=settings.temp_dir,
    )
