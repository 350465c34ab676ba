"""Checks of Dagster's own, beside the dbt tests: are the marts recent, are increments right?"""

from datetime import UTC, datetime, timedelta

import click
import dagster as dg
from pydantic import Field

from orchestration import reporting, verifying
from orchestration.publishing import read_publication
from orchestration.settings import Settings

# A daily run may take a while, and may fail once, before anybody needs to be told.
FRESH_WITHIN = timedelta(hours=36)

# It builds a sample four times, so only the job of its own includes it.
INCREMENTS_CHECK = dg.AssetCheckKey(
    dg.AssetKey(["marts", "events"]), "increments_equal_a_full_refresh"
)


class VerifyConfig(dg.Config):
    """How much is built twice; the launchpad shows it."""

    records: int = Field(
        default=verifying.DEFAULT_RECORDS, ge=1, description="About so many of the newest records."
    )


def build_checks(settings: Settings, published: dg.AssetKey) -> list[dg.AssetChecksDefinition]:
    """Return the checks of the published marts."""

    @dg.asset_check(
        asset=published,
        name="published_marts_are_fresh",
        description=(
            f"The published file was written within {FRESH_WITHIN.total_seconds() / 3600:.0f} "
            "hours, whoever wrote it: Dagster or the command line."
        ),
    )
    def published_marts_are_fresh() -> dg.AssetCheckResult:
        publication = read_publication(settings.published_path)
        if publication is None:
            return dg.AssetCheckResult(
                passed=False, description=f"{settings.published_path} does not exist"
            )
        age = datetime.now(UTC).replace(tzinfo=None) - publication.published_at
        return dg.AssetCheckResult(
            passed=age <= FRESH_WITHIN,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "published_at": f"{publication.published_at:%Y-%m-%d %H:%M} UTC",
                "hours_old": round(age.total_seconds() / 3600, 1),
                "loaded_through": str(publication.loaded_through_at),
                "newest_event": str(publication.data_through_at),
            },
        )

    return [published_marts_are_fresh]


def build_increments_check(settings: Settings) -> dg.AssetChecksDefinition:
    """Return the check that increments give, on a sample, what a full refresh gives."""

    @dg.asset_check(
        asset=INCREMENTS_CHECK.asset_key,
        name=INCREMENTS_CHECK.name,
        description=(
            "The newest records, built apart from the warehouse by increments, give in every table "
            "the rows that a full refresh gives."
        ),
    )
    def increments_equal_a_full_refresh(
        context: dg.AssetCheckExecutionContext, config: VerifyConfig
    ) -> dg.AssetCheckResult:
        command = f"dagster run {context.run.run_id[:8]}"
        done = verifying.verify(settings, command, records=config.records, say=context.log.info)
        return dg.AssetCheckResult(
            passed=done.passed,
            description=None if done.passed else reporting.failed_verification(done),
            metadata={
                "records": done.sample.records,
                "files": done.sample.files,
                "seconds": round(done.seconds, 1),
                "tables": dg.MetadataValue.md(
                    f"```text\n{click.unstyle(reporting.verification(done))}\n```"
                ),
            },
        )

    return increments_equal_a_full_refresh
