"""The job that puts rejected records through the loader again."""

import click
import dagster as dg
from pydantic import Field

from orchestration import operations, reporting
from orchestration.assets.raw_events import source_key
from orchestration.settings import Settings


class ReplayConfig(dg.Config):
    """Which rejected records are put through again; the launchpad shows it."""

    sources: list[str] = Field(default=[], description="Names of sources; none: all of them.")
    reasons: list[str] = Field(
        default=[], description="Only what was rejected for these reasons; none: all."
    )


def build_replay_job(settings: Settings) -> dg.JobDefinition:
    """Return the job `replay_rejected`."""

    @dg.op(description="Puts rejected records through the loader again, file by file.")
    def replay_rejected_records(context: dg.OpExecutionContext, config: ReplayConfig) -> None:
        command = f"dagster run {context.run.run_id[:8]}"
        with operations.warehouse_lock(settings, command, say=context.log.info):
            replays = operations.replay(settings, config.sources, config.reasons)
        for done in replays:
            context.log.info(reporting.one_line(click.unstyle(reporting.source_replay(done))))
            if done.replayed:
                # What reads the source shows as out of date, until the next whole run.
                context.log_event(
                    dg.AssetMaterialization(
                        source_key(done.source),
                        description="Rejected records were put through again.",
                        metadata={
                            "records_tried": done.tried,
                            "records_replayed": done.replayed,
                            "records_still_rejected": done.still_rejected,
                        },
                    )
                )
        failed = [f"{file.path}: {file.failure}" for done in replays for file in done.failed]
        if failed:
            raise dg.Failure(f"the replay of some files was undone: {'; '.join(failed)}")

    @dg.job(
        name="replay_rejected",
        description=(
            "Put what the loader rejected through it again, after a fix of the loader, a twin or "
            "sources.yml. The next whole run makes events of what is sound now."
        ),
    )
    def replay_rejected() -> None:
        replay_rejected_records()

    return replay_rejected
