"""What starts a run when something happens: new export files. Off until somebody turns it on.

A file is new until it stands in the ledger. Dagster starts one run for the same new files in an
hour: a load that fails is tried again in the next, and no failure starts a run at every look.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg

from orchestration import locking
from orchestration.loading import LoadingStopped
from orchestration.loading.finding import FoundFile, find_files
from orchestration.loading.landing import is_being_written
from orchestration.operations import Configuration
from orchestration.schedules import LOAD_BUILD_PUBLISH
from orchestration.settings import Settings
from orchestration.status import KnownFile, read_known_files

_SECONDS_BETWEEN_LOOKS = 60


def build_sensors(settings: Settings, configuration: Configuration) -> list[dg.SensorDefinition]:
    """Return the sensor that starts a run when a source's folder holds a file not yet loaded."""

    @dg.sensor(
        name="new_files",
        job=LOAD_BUILD_PUBLISH,
        minimum_interval_seconds=_SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            "Starts the whole job when a source's folder holds a file not yet loaded; for the same "
            "files once an hour, until they are."
        ),
    )
    def new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        found, problems = _find(configuration)
        for problem in problems:
            context.log.error(problem)
        # Of files that are all loaded, in a warehouse that nobody has written since.
        cursor = _fingerprint([*found, _state_of(settings)])
        if cursor == context.cursor:
            return _skip("No file was added or changed since the last look", problems)
        with locking.share(settings.lock_path) as holder:
            if holder:
                return dg.SkipReason(f"The warehouse is busy: {holder}.")
            try:
                known = read_known_files(settings)
            except LoadingStopped as error:
                return dg.SkipReason(str(error))
        new = {identity: file for identity, file in found.items() if identity not in known}
        ready = [identity for identity, file in new.items() if not is_being_written(file)]
        if ready:
            run_key = f"{_fingerprint(ready)} {_hour()}"
            return dg.SensorResult(
                run_requests=[dg.RunRequest(run_key, tags={"new_files": str(len(ready))})]
            )
        if new:
            return _skip("New files are still being written", problems)
        return dg.SensorResult(cursor=cursor, skip_reason=_skip("Every file is loaded", problems))

    return [new_files]


def _find(configuration: Configuration) -> tuple[dict[KnownFile, FoundFile], list[str]]:
    """Return the files of all sources, and which stores and folders cannot be read."""
    found: dict[KnownFile, FoundFile] = {}
    problems: list[str] = []
    for source in configuration.sources:
        files, problem = find_files(source)
        if problem:
            problems.append(f"{source.name}: {problem}")
        for file in files:
            # Where nothing is to settle, neither has a file of the future to: it is loaded, too.
            if not source.settle_seconds or file.is_older_than(source.settle_seconds):
                found[_identity(source.name, file)] = file
    return found, problems


def _skip(what: str, problems: list[str]) -> dg.SkipReason:
    return dg.SkipReason("; ".join([what, *problems]) + ".")


def _identity(source_name: str, file: FoundFile) -> KnownFile:
    return source_name, file.shown_path, file.size_bytes, file.modified_at, file.etag


def _state_of(settings: Settings) -> tuple[int, int] | None:
    """Return what changes when the warehouse is written, removed or replaced."""
    try:
        status = settings.warehouse_path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _fingerprint(identities: Iterable[object]) -> str:
    """Return what changes whenever a file comes, goes, grows or is written to."""
    digest = hashlib.sha256()
    for identity in sorted(map(repr, identities)):
        digest.update(identity.encode())
    return digest.hexdigest()


def _hour() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H}"
