"""The published copy: what people and their tools query."""

import dagster as dg

from orchestration import operations
from orchestration.checks import FRESH_WITHIN
from orchestration.publishing import PUBLISHED_SCHEMAS, publish
from orchestration.settings import Settings

PUBLISHED_MARTS = dg.AssetKey(["published", "marts"])


def build_published_marts(
    settings: Settings, dbt_models: dg.AssetsDefinition
) -> dg.AssetsDefinition:
    """Return the asset that publishes the marts once every model and blocking test is through."""

    @dg.asset(
        key=PUBLISHED_MARTS,
        group_name="published",
        kinds={"duckdb", "file"},
        deps=sorted(key for key in dbt_models.keys if key.path[0] in PUBLISHED_SCHEMAS),
        description=(
            f"A read-only copy of the marts in `{settings.published_path}`, for BI tools and "
            "notebooks. It is replaced in a single step, and only after a whole build that "
            "passed; whoever has the old one open keeps reading it until they reconnect."
        ),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=FRESH_WITHIN),
    )
    def published_marts(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        command = f"dagster run {context.run.run_id[:8]}"
        with operations.warehouse_lock(settings, command, say=context.log.info):
            publication = publish(settings)
        tables = [
            dg.TableRecord({"table": f"{table.schema}.{table.name}", "rows": table.rows})
            for table in publication.tables
        ]
        columns = [dg.TableColumn("table", "string"), dg.TableColumn("rows", "int")]
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(publication.path),
                "size_in_mb": round(publication.size_bytes / 1e6, 1),
                "newest_event": str(publication.data_through_at),
                "build": publication.build_id,
                "tables": dg.MetadataValue.table(tables, schema=dg.TableSchema(columns)),
                "dagster/row_count": sum(table.rows for table in publication.tables),
            }
        )

    return published_marts
