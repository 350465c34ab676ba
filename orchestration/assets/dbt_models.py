"""The dbt project as assets: seeds and models by room, their tests as checks."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from orchestration import dbt, locking, operations
from orchestration.assets.raw_events import source_key
from orchestration.settings import Settings


class RoomTranslator(DagsterDbtTranslator):
    """Groups models by the room they live in, and hangs staging on the configured sources.

    A raw table is no asset of its own: what fills it are the sources of its kind, so a model that
    reads it depends on those. The ledger and the quarantine are filled by every source.
    """

    def __init__(self, configuration: operations.Configuration) -> None:
        """Remember which assets fill which raw table."""
        super().__init__()
        self._configuration = configuration

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the room: `staging`, `events`, …, `marts`, `quality`; seeds are a room as well."""
        if dbt_resource_props["resource_type"] == "seed":
            return "seeds"
        layer, *rooms = dbt_resource_props["fqn"][1:-1]
        return rooms[0] if layer == "intermediate" and rooms else layer

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Return the default asset with its raw tables replaced by the sources that fill them."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        sources = manifest["sources"]
        parents = manifest["parent_map"].get(unique_id, [])
        raw_tables = [sources[parent] for parent in parents if parent in sources]
        if not raw_tables:
            return spec
        raw_keys = {self.get_asset_key(table) for table in raw_tables}
        others = [dep for dep in spec.deps if dep.asset_key not in raw_keys]
        filling = {key for table in raw_tables for key in self._filled_by(table)}
        return spec.replace_attributes(deps=[*others, *sorted(filling)])

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """Return the default check, described by what the test promises."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        description = promise_of(manifest["nodes"][unique_id])
        if spec is None or description is None:
            return spec
        return dg.AssetCheckSpec(
            name=spec.name,
            asset=spec.asset_key,
            description=description,
            additional_deps=spec.additional_deps,
            metadata=spec.metadata,
            blocking=spec.blocking,
        )

    def _filled_by(self, raw_table: Mapping[str, Any]) -> list[dg.AssetKey]:
        kind = raw_table["config"]["meta"].get("loader", {}).get("kind")
        return [
            source_key(source)
            for source in self._configuration.sources
            if kind in (None, source.kind)
        ]


def promise_of(test: Mapping[str, Any]) -> str | None:
    """Return in a sentence what a dbt test promises; none for a test that nobody described.

    `test` is its node in dbt's manifest. A test of one's own says it as its `description`, or in
    the first line of its SQL; the tests that take columns say the same of each.
    """
    first_line = test["raw_code"].partition("\n")[0]
    if test.get("description"):
        return str(test["description"])
    if "test_metadata" not in test:
        return first_line.removeprefix("-- ") if first_line.startswith("-- ") else None
    arguments = test["test_metadata"]["kwargs"]
    columns = [f"`{name}`" for name in arguments.get("columns", [arguments.get("column_name")])]
    listed = ", ".join(columns)
    match test["test_metadata"]["name"]:
        case "not_null" | "no_nulls":
            promise = f"{listed}: never null"
        case "unique" | "unique_together":
            promise = f"{listed}: no two rows alike"
        case "accepted_values":
            values = ", ".join(f"`{value}`" for value in arguments["values"])
            promise = f"{listed}: one of {values}, or null"
        case "relationships":
            parent = arguments["to"].removeprefix("ref('").removesuffix("')")
            promise = f"{listed}: a `{arguments['field']}` of {parent}, or null"
        case _:
            return None
    where = test["config"].get("where")
    return f"{promise}, where {where}." if where else f"{promise}."


def build_dbt_assets(
    settings: Settings, configuration: operations.Configuration, manifest_path: Path
) -> dg.AssetsDefinition:
    """Return the assets of the dbt project whose manifest lies at `manifest_path`."""

    @dbt_assets(
        name="dbt_models",
        manifest=manifest_path,
        project=_project(settings),
        dagster_dbt_translator=RoomTranslator(configuration),
    )
    def dbt_models(context: dg.AssetExecutionContext, dbt_cli: DbtCliResource) -> Iterator[Any]:
        command = f"dagster run {context.run.run_id[:8]}"
        with operations.warehouse_lock(settings, command, say=context.log.info) as lock:
            operations.prepare(settings)
            dbt.forget_another_project(settings, settings.dbt_run_dir)
            with locking.as_standard_input(lock):
                run = dbt_cli.cli(
                    list(dbt.BUILD), context=context, target_path=settings.dbt_run_dir
                )
            # Not .fetch_row_counts(): it keeps the warehouse open in this process, and withholds
            # every result until dbt has ended.
            with dbt.killed_on_error(run.process):
                locking.name_child(run.process.pid)
                yield from run.stream()

    return dbt_models


def build_dbt_resource(settings: Settings) -> DbtCliResource:
    """Return what runs dbt inside Dagster: the dbt beside this Python, on these settings."""
    return DbtCliResource(
        project_dir=_project(settings),
        profiles_dir=str(settings.profiles_dir),
        dbt_executable=dbt.dbt_executable(),
    )


def _project(settings: Settings) -> DbtProject:
    return DbtProject(
        project_dir=settings.dbt_project_dir,
        profiles_dir=settings.profiles_dir,
        target_path=settings.manifest_dir,
    )
