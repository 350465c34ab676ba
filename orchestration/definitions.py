"""What Dagster sees. Assembles; decides nothing."""

import os

import dagster as dg

from orchestration.assets.dbt_models import build_dbt_assets, build_dbt_resource
from orchestration.assets.published_marts import PUBLISHED_MARTS, build_published_marts
from orchestration.assets.raw_events import build_raw_assets
from orchestration.assets.rejected_records import build_replay_job
from orchestration.checks import build_checks, build_increments_check
from orchestration.dbt import ensure_manifest
from orchestration.operations import read_configuration
from orchestration.schedules import LOAD_BUILD_PUBLISH, VERIFY_INCREMENTS, build_schedules
from orchestration.sensors import build_sensors
from orchestration.settings import Settings, read_settings


def build_definitions(settings: Settings) -> dg.Definitions:
    """Return the assets, checks, jobs, schedules and sensor of these settings."""
    settings.make_directories()
    # dbt runs as a child of whatever process executes the assets, and reads these.
    os.environ.update(settings.dbt_environment)
    configuration = read_configuration(settings)
    dbt_models = build_dbt_assets(settings, configuration, ensure_manifest(settings))
    checks = build_checks(settings, PUBLISHED_MARTS)
    return dg.Definitions(
        assets=[
            *build_raw_assets(settings, configuration),
            dbt_models,
            build_published_marts(settings, dbt_models),
        ],
        asset_checks=[*checks, build_increments_check(settings)],
        jobs=[LOAD_BUILD_PUBLISH, VERIFY_INCREMENTS, build_replay_job(settings)],
        schedules=build_schedules(checks),
        sensors=build_sensors(settings, configuration),
        resources={"dbt_cli": build_dbt_resource(settings)},
        # One step after the other: they would only wait for each other at the warehouse.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return what this machine's environment configures; Dagster calls it, importing does not."""
    # As the command line has it: what a run writes holds raw records.
    os.umask(0o077)
    return build_definitions(read_settings())
