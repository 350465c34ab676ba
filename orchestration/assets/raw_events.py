"""One asset per configured source: its export files, loaded into the raw table of their kind."""

from collections.abc import Iterable

import dagster as dg
from pydantic import Field

from orchestration import operations, progress, reporting
from orchestration.settings import Settings
from orchestration.sources import RawTable, Source
from orchestration.status import Rejections, SourceStatus, read_history

_SHOWN_FILES = 50
_SECONDS_BETWEEN_LINES = 15
_CHECK = "rejections_are_within_the_limit"
_STORE_CHECK = "the_store_answers"
_FOLDER_CHECK = "the_folders_can_be_read"


class LoadConfig(dg.Config):
    """How a source is loaded; the launchpad shows it."""

    again: bool = Field(
        default=False,
        description="Read anew all files of the source that are still there, by today's options.",
    )


def source_key(source: Source) -> dg.AssetKey:
    """Return the key of a source's asset; dbt's own keys begin with the name of a schema."""
    return dg.AssetKey(["sources", source.name])


def build_raw_assets(
    settings: Settings, configuration: operations.Configuration
) -> list[dg.AssetsDefinition]:
    """Return the asset of every configured source."""
    return [
        _raw_asset(settings, source, configuration.raw_tables[source.kind])
        for source in configuration.sources
    ]


def _raw_asset(settings: Settings, source: Source, table: RawTable) -> dg.AssetsDefinition:
    @dg.asset(
        key=source_key(source),
        group_name="sources",
        kinds={"duckdb", source.kind},
        description=_description(source, table),
        metadata={
            "path": source.path,
            "raw_table": f"raw.{table.name}",
            "timezone": source.timezone,
            "on_redelivery": source.on_redelivery,
            "session_ids_from": source.session_ids_from,
            "max_rejected_share": source.max_rejected_share,
        },
        check_specs=[
            dg.AssetCheckSpec(
                _CHECK,
                asset=source_key(source),
                description="No file is refused for having more of its records rejected than "
                f"`max_rejected_share` allows, {source.max_rejected_share:.1%}.",
            ),
            _place_check(source),
        ],
    )
    def raw_events(context: dg.AssetExecutionContext, config: LoadConfig) -> dg.MaterializeResult:
        command = f"dagster run {context.run.run_id[:8]}"
        with operations.warehouse_lock(settings, command, say=context.log.info):
            (done,) = operations.load(
                settings,
                [source.name],
                again=config.again,
                on_progress=progress.at_intervals(context.log.info, _SECONDS_BETWEEN_LINES),
            )
            so_far, rejections = read_history(settings, source.name)
        for file in done.summary.files:
            if file.status == "refused" or file.has_too_many_rejections:
                context.log.warning(f"{file.path} was refused: {file.reason}: {file.detail}")
        if done.summary.problem:
            context.log.error(done.summary.problem)
        if done.summary.read_otherwise:
            context.log.warning(
                f"{len(done.summary.read_otherwise)} files were read by other options than "
                "today's; to read them anew, launch this asset with the config `again: true`"
            )
        if done.unfilled:
            context.log.warning(reporting.unfilled(done.unfilled))
        return dg.MaterializeResult(
            metadata=_metadata(done, so_far, rejections), check_results=_checks(done)
        )

    return raw_events


def _description(source: Source, table: RawTable) -> str:
    return (
        f"Exports of kind `{source.kind}` found under `{source.path}`, loaded into "
        f"`raw.{table.name}`: each file once, in one transaction, a record that cannot be read "
        "set aside with its reason."
    )


def _place_check(source: Source) -> dg.AssetCheckSpec:
    if source.is_in_store:
        name, description = _STORE_CHECK, "The store of the source could be listed and read."
    else:
        name, description = _FOLDER_CHECK, "Every folder of the source could be listed."
    return dg.AssetCheckSpec(name, asset=source_key(source), description=description)


def _checks(done: operations.SourceLoad) -> list[dg.AssetCheckResult]:
    problem = done.summary.problem
    can_be_read = dg.AssetCheckResult(
        check_name=_place_check(done.source).name,
        passed=problem is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=problem,
    )
    return [_check(done), can_be_read]


def _check(done: operations.SourceLoad) -> dg.AssetCheckResult:
    """Return the verdict on the files that are refused for what is rejected of them."""
    refused = done.summary.over_the_limit
    return dg.AssetCheckResult(
        check_name=_CHECK,
        passed=not refused,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(f"{file.path}: {file.detail}" for file in refused[:_SHOWN_FILES]),
        metadata={"files": len(refused)},
    )


def _metadata(
    done: operations.SourceLoad, so_far: SourceStatus, rejections: Rejections
) -> dict[str, dg.MetadataValue]:
    summary = done.summary
    metadata = {
        "files_found": dg.MetadataValue.int(len(summary.files)),
        "files_loaded": dg.MetadataValue.int(summary.count("loaded")),
        "files_refused": dg.MetadataValue.int(summary.count("refused")),
        "records_read": dg.MetadataValue.int(summary.read),
        "records_loaded": dg.MetadataValue.int(summary.loaded),
        "records_rejected": dg.MetadataValue.int(summary.rejected),
        "dagster/row_count": dg.MetadataValue.int(so_far.records_loaded),
        "seconds": dg.MetadataValue.float(round(done.seconds, 2)),
        "megabytes_read": dg.MetadataValue.float(round(summary.bytes_read / 1e6, 1)),
        "records_per_second": dg.MetadataValue.int(round(summary.read / max(done.seconds, 0.01))),
    }
    new_files = [file for file in summary.files if file.status != "unchanged"]
    if new_files:
        metadata["new_files"] = _table(
            ("path", "status", "reason", "read", "rejected"),
            (
                (file.path, file.status, file.reason or "", file.read, file.rejected)
                for file in new_files[:_SHOWN_FILES]
            ),
        )
    if rejections:
        metadata["rejected_so_far"] = _table(("reason", "records"), rejections)
    return metadata


def _table(names: tuple[str, ...], rows: Iterable[tuple[str | int, ...]]) -> dg.TableMetadataValue:
    records = [dg.TableRecord(dict(zip(names, row, strict=True))) for row in rows]
    columns = [
        dg.TableColumn(name, "int" if isinstance(records[0].data[name], int) else "string")
        for name in names
    ]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))
