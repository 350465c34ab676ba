"""Do captured events follow the tracking plan? Loaded and judged in a warehouse of their own.

The same loader and the same models as everywhere; the real warehouse is not touched. No Dagster.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from orchestration import dbt, operations
from orchestration.loading import FileOutcome, create_raw_tables, load_source
from orchestration.settings import Settings
from orchestration.sources import Source

# The name that events have which belong to no configured source: rules for all sources hold.
CAPTURED = "captured"

_MODELS = ("+tracking_plan_violations", "+rejected_records", "events")
_UNUSED = "unused_event"


class CannotCheck(Exception):
    """Files that cannot be checked as asked; the message says which and why."""


@dataclass(frozen=True)
class Finding:
    """One way in which events break the plan, over all days of the capture."""

    event_name: str | None
    source_event_name: str | None
    property_name: str | None
    source_property_names: str | None
    similar_property_name: str | None
    violation: str
    expected: str | None
    sent_type: str | None
    example_value: str | None
    records_affected: int
    records_seen: int
    path: str | None
    row_number: int | None
    owner: str | None


@dataclass(frozen=True)
class RejectedRecord:
    """A record that is no event, where it stands and why."""

    path: str
    row_number: int
    reason: str
    detail: str | None


@dataclass(frozen=True)
class EventCheck:
    """What became of the captured files, and how their events break the plan."""

    files: tuple[FileOutcome, ...]
    events: int
    findings: tuple[Finding, ...]
    rejected: tuple[RejectedRecord, ...]

    @property
    def refused(self) -> tuple[FileOutcome, ...]:
        """Return the files that could not be read at all."""
        return tuple(file for file in self.files if file.status not in ("loaded", "repeated"))

    @property
    def passed(self) -> bool:
        """Tell whether there were events, and all of them are as planned."""
        return bool(self.events) and not (self.findings or self.rejected or self.refused)


def check_events(
    settings: Settings,
    paths: Sequence[Path],
    *,
    kind: str | None = None,
    source_name: str | None = None,
    with_unused: bool = False,
) -> EventCheck:
    """Check the files as an export of `kind`, or of the configured source called `source_name`."""
    configuration = operations.read_configuration(settings)
    source = _source(configuration, kind, source_name)
    with tempfile.TemporaryDirectory(prefix="clickstream-check-") as folder:
        own = settings.with_data_dir(Path(folder).resolve())
        own.make_directories()
        files = _load(own, configuration, source, paths)
        if not any(file.read for file in files):
            return EventCheck(files, 0, (), ())
        dbt.build_models(own, "--select", *_MODELS)
        with duckdb.connect(str(own.warehouse_path), read_only=True) as connection:
            return EventCheck(
                files,
                connection.execute("select count(*) from marts.events").fetchall()[0][0],
                _findings(connection, with_unused),
                _rejected(connection),
            )


def _source(
    configuration: operations.Configuration, kind: str | None, source_name: str | None
) -> Source:
    if source_name is not None:
        (configured,) = configuration.chosen([source_name])
        # A capture is whole and comes once, however the exports of the source do.
        return replace(configured, on_redelivery="append", settle_seconds=0)
    if kind not in configuration.raw_tables:
        kinds = ", ".join(sorted(configuration.raw_tables))
        raise CannotCheck(f"the kind {kind!r} does not exist; expected one of {kinds}")
    session_ids_from = configuration.raw_tables[kind].session_ids_from
    return Source(CAPTURED, kind, "", Path.cwd(), session_ids_from=session_ids_from)


def _load(
    settings: Settings,
    configuration: operations.Configuration,
    source: Source,
    paths: Sequence[Path],
) -> tuple[FileOutcome, ...]:
    raw_table = configuration.raw_tables[source.kind]
    outcomes: list[FileOutcome] = []
    with operations.connect(settings) as connection:
        create_raw_tables(connection, configuration.raw_tables, [source])
        for path in paths:
            captured = replace(source, path=str(path.absolute()), project_dir=Path.cwd())
            summary = load_source(connection, captured, raw_table, settings.landing_dir)
            if summary.problem:
                raise CannotCheck(summary.problem)
            if not summary.files:
                raise CannotCheck(
                    f"{path}: no file to check; expected a file, or a folder of files, whose name "
                    "does not begin with a dot, '_' or '#' nor end like an unfinished download"
                )
            # A file that is named twice, such as in its folder and by itself, is unchanged then.
            outcomes += [each for each in summary.files if each.status != "unchanged"]
    return tuple(outcomes)


def _findings(connection: duckdb.DuckDBPyConnection, with_unused: bool) -> tuple[Finding, ...]:
    """Return the violations of all days together, each with the first event that commits it."""
    rows = connection.execute(
        """
        with violations as (
            select
                event_name, property_name, violation, expected, source_property_names, owner,
                sum(records_affected)::bigint as records_affected,
                sum(records_seen)::bigint as records_seen,
                min_by(source_event_name, example_event_id) as source_event_name,
                min_by(similar_property_name, example_event_id) as similar_property_name,
                min_by(sent_type, example_event_id) as sent_type,
                min_by(example_value, example_event_id) as example_value,
                min(example_event_id) as example_event_id
            from quality.tracking_plan_violations
            where $with_unused or violation != $unused
            group by all
        )
        select
            violations.event_name, violations.source_event_name, property_name,
            source_property_names, similar_property_name, violation, expected, sent_type,
            example_value, records_affected, records_seen, load_files.path, events.row_number, owner
        from violations
        left join marts.events on violations.example_event_id = events.event_id
        left join raw.load_files
            on events.file_id = load_files.file_id and load_files.status = 'loaded'
        order by violations.event_name nulls last, property_name nulls first, violation
        """,
        {"with_unused": with_unused, "unused": _UNUSED},
    ).fetchall()
    return tuple(Finding(*row) for row in rows)


def _rejected(connection: duckdb.DuckDBPyConnection) -> tuple[RejectedRecord, ...]:
    rows: list[tuple[Any, ...]] = connection.execute(
        """
        select load_files.path, row_number, rejected_records.reason, rejected_records.detail
        from quality.rejected_records
        inner join raw.load_files
            on rejected_records.file_id = load_files.file_id and load_files.status = 'loaded'
        order by load_files.load_id, row_number
        """
    ).fetchall()
    return tuple(RejectedRecord(*row) for row in rows)
