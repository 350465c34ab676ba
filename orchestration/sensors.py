"""What starts a run when something happens: new export files. Off until somebody turns it on."""

import hashlib
from collections.abc import Iterable

import dagster as dg

from orchestration import locking
from orchestration.loading import LoadingStopped
from orchestration.loading.finding import FoundFile, find_files
from orchestration.loading.landing import is_being_written
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
        found, problems = _find(configuration)
        for problem in problems:
            context.log.error(problem)
        if _fingerprint(found) == context.cursor:
            return dg.SkipReason(
                _told("No file was added or changed since the last look", problems)
            )
        with locking.share(settings.lock_path) as holder:
            if holder:
                return dg.SkipReason(f"The warehouse is busy: {holder}.")
            try:
                known = read_known_files(settings)
            except LoadingStopped as error:
                return dg.SkipReason(str(error))
        new = [file for file in found if _identity(file) not in known]
        # Files that are still being written stay out of the cursor, so that they are looked at
        # again when they are not.
        waiting = {file.shown_path for file in new if is_being_written(file)}
        new = [file for file in new if file.shown_path not in waiting]
        cursor = _fingerprint(file for file in found if file.shown_path not in waiting)
        if not new:
            what = "New files are still being written" if waiting else "Every file is loaded"
            return dg.SensorResult(cursor=cursor, skip_reason=_told(what, problems))
        run = dg.RunRequest(run_key=_fingerprint(new), tags={"new_files": str(len(new))})
        return dg.SensorResult(cursor=cursor, run_requests=[run])

    return [new_files]


def _find(configuration: Configuration) -> tuple[list[FoundFile], list[str]]:
    """Return the files of all sources, and which stores and folders cannot be read."""
    found: list[FoundFile] = []
    problems: list[str] = []
    for source in configuration.sources:
        files, problem = find_files(source)
        if problem:
            problems.append(f"{source.name}: {problem}")
        found += [file for file in files if file.is_older_than(source.settle_seconds)]
    return found, problems


def _told(what: str, problems: list[str]) -> str:
    return "; ".join([what, *problems]) + "."


def _identity(file: FoundFile) -> tuple[str, int, object, str | None]:
    return file.shown_path, file.size_bytes, file.modified_at, file.etag


def _fingerprint(files: Iterable[FoundFile]) -> str:
    """Return what changes whenever a file comes, goes, grows or is written to."""
    digest = hashlib.sha256()
    for identity in sorted(repr(_identity(file)) for file in files):
        digest.update(identity.encode())
    return digest.hexdigest()
