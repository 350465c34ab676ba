"""Checks of Dagster's own, beside the dbt tests: is what people read recent enough?"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration.publishing import read_publication
from orchestration.settings import Settings

# A daily run may take a while, and may fail once, before anybody needs to be told.
FRESH_WITHIN = timedelta(hours=36)


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
