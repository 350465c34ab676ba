"""What lies in DAGSTER_HOME: Dagster's own settings, and what a crash left there."""

import os
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from orchestration.settings import Settings

_TEMPLATE = Path(__file__).with_name("dagster.yaml")

_AT_WORK = (
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)


def write_configuration(settings: Settings) -> Path:
    """Write dagster.yaml into DAGSTER_HOME and return its path."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    path = settings.dagster_home / "dagster.yaml"
    path.write_text(_TEMPLATE.read_text())
    return path


def end_orphaned_runs(settings: Settings) -> int:
    """Mark the runs that a crash of this machine left "started" as failed; return how many.

    Call only while no Dagster is running on this DAGSTER_HOME.
    """
    os.environ.update(settings.environment)
    with DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        orphans = instance.get_runs(RunsFilter(statuses=list(_AT_WORK)))
        for run in orphans:
            instance.report_run_failed(run, "Dagster ended while this run was at work.")
    return len(orphans)
