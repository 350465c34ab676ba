"""What starts a run when something happens: new export files. Off until somebody turns it on."""

import hashlib
from collections.abc import Iterable

import dagster as dg

from orchestration import locking
from orchestration.loading.finding import FoundFile, find_files
from orchestration.operations import Configuration
from orchestration.schedules import LOAD_BUILD_PUBLISH
from orchestration.settings import Settings
from orchestration.status import read_known_files

_SECONDS_BETWEEN_LOOKS = 60


def build_sensors(settings: Settings, configuration: Configuration) -> list[dg.SensorDefinition]:
    """Return the sensor that starts a run when a source's folder holds a file not yet loaded."""

    @dg.sensor(
        name="new_files",
        job=LOAD_BUILD_PUBLISH,
        minimum_interval_seconds=_SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Starts the whole job when a source's folder holds a file not yet loaded.",
    )
    def new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        found = _find(configuration)
        cursor = _fingerprint(found)
        if cursor == context.cursor:
            return dg.SkipReason("No file was added or changed since the last look.")
        holder = locking.holder(settings.lock_path)
        if holder:
            return dg.SkipReason(f"The warehouse is busy: {holder}.")
        known = read_known_files(settings)
        new = [file for file in found if _identity(file) not in known]
        if not new:
            return dg.SensorResult(cursor=cursor, skip_reason="Every file is loaded.")
        run = dg.RunRequest(run_key=_fingerprint(new), tags={"new_files": str(len(new))})
        return dg.SensorResult(cursor=cursor, run_requests=[run])

    return [new_files]


def _find(configuration: Configuration) -> list[FoundFile]:
    return [
        file
        for source in configuration.sources
        for file in find_files(source)
        if file.is_older_than(source.settle_seconds)
    ]


def _identity(file: FoundFile) -> tuple[str, int, object]:
    return file.shown_path, file.size_bytes, file.modified_at


def _fingerprint(files: Iterable[FoundFile]) -> str:
    """Return what changes whenever a file comes, goes, grows or is written to."""
    digest = hashlib.sha256()
    for identity in sorted(repr(_identity(file)) for file in files):
        digest.update(identity.encode())
    return digest.hexdigest()
