"""What runs by itself: the jobs and when. Everything is off until somebody turns it on."""

import dagster as dg

from orchestration.checks import INCREMENTS_CHECK

LOAD_BUILD_PUBLISH = dg.define_asset_job(
    "load_build_publish",
    selection=dg.AssetSelection.all() - dg.AssetSelection.checks(INCREMENTS_CHECK),
    description="Load what is new, build and test the models, publish the marts.",
)

VERIFY_INCREMENTS = dg.define_asset_job(
    "verify_increments",
    selection=dg.AssetSelection.checks(INCREMENTS_CHECK),
    description=(
        "Check on a sample of the newest records that increments give what a full refresh gives. "
        "The warehouse is only read."
    ),
)


def build_schedules(checks: list[dg.AssetChecksDefinition]) -> list[dg.ScheduleDefinition]:
    """Return the schedules: the whole job nightly, freshness hourly, increments weekly."""
    check_freshness = dg.define_asset_job(
        "check_freshness",
        selection=dg.AssetSelection.checks(*checks),
        description="Check that the published marts are recent.",
    )
    return [
        dg.ScheduleDefinition(
            name="every_night",
            job=LOAD_BUILD_PUBLISH,
            cron_schedule="0 3 * * *",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="The whole job at 03:00 UTC. Turn it on where exports arrive daily.",
        ),
        dg.ScheduleDefinition(
            name="every_hour",
            job=check_freshness,
            cron_schedule="30 * * * *",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="The freshness check alone, so that a night without a run is noticed.",
        ),
        dg.ScheduleDefinition(
            name="every_week",
            job=VERIFY_INCREMENTS,
            cron_schedule="0 6 * * 0",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="Whether increments still give what a full refresh gives, on Sundays.",
        ),
    ]
