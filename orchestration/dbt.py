"""How to run dbt: as a child process, on the warehouse of the settings. Imports no Dagster."""

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestration import locking
from orchestration.settings import Settings

# Unit tests are about the SQL, not about the data: `make test` runs them, a build does not.
BUILD = ("build", "--partial-parse", "--exclude-resource-type", "unit_test")
_MODELS = (*BUILD, "test")

_GOOD = {"success", "pass", "warn", "no-op"}


class DbtError(Exception):
    """dbt could not be run, or did not leave what was asked of it."""


@dataclass(frozen=True)
class NodeResult:
    """What became of one seed, model or test."""

    unique_id: str
    status: str

    @property
    def name(self) -> str:
        """Return the name by which people know the node, such as `sessions`."""
        return self.unique_id.split(".")[2]

    @property
    def succeeded(self) -> bool:
        """Tell whether nothing went wrong; a warning is no failure."""
        return self.status in _GOOD


@dataclass(frozen=True)
class DbtRun:
    """One run of dbt: how it ended, after how long, and what became of each node."""

    exit_code: int
    seconds: float
    results: tuple[NodeResult, ...]

    @property
    def succeeded(self) -> bool:
        """Tell whether dbt ended well."""
        return self.exit_code == 0

    @property
    def failed(self) -> tuple[NodeResult, ...]:
        """Return the nodes that went wrong, causes before the ones skipped because of them."""
        bad = [result for result in self.results if not result.succeeded]
        return tuple(sorted(bad, key=lambda result: result.status == "skipped"))

    @property
    def warned(self) -> tuple[NodeResult, ...]:
        """Return the nodes that only warn."""
        return tuple(result for result in self.results if result.status == "warn")


def run_dbt(
    settings: Settings,
    *arguments: str,
    target_dir: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> DbtRun:
    """Run dbt with `arguments` and say how it went.

    What dbt prints goes to the terminal as it is, or else line by line to `on_line`.
    """
    target_dir = target_dir or settings.dbt_run_dir
    forget_another_project(settings, target_dir)
    results_path = target_dir / "run_results.json"
    results_path.unlink(missing_ok=True)
    started = time.monotonic()
    command = [dbt_executable(), *arguments, *_places(settings, target_dir)]
    exit_code = run_child(command, os.environ | settings.environment, on_line)
    return DbtRun(exit_code, time.monotonic() - started, tuple(_read_results(results_path)))


def forget_another_project(settings: Settings, target_dir: Path) -> None:
    """Delete what dbt remembers of a project that stood elsewhere: its seeds remember their folder.

    Call before a run with `--partial-parse`, which parses again only what has changed.
    """
    target_dir.mkdir(parents=True, exist_ok=True)
    place = target_dir / "project_dir"
    if not place.exists() or place.read_text() != str(settings.dbt_project_dir):
        (target_dir / "partial_parse.msgpack").unlink(missing_ok=True)
        place.write_text(str(settings.dbt_project_dir))


def build_models(
    settings: Settings, *arguments: str, on_line: Callable[[str], None] = lambda _: None
) -> DbtRun:
    """Build seeds and models without a test, and raise DbtError with dbt's last words if it fails.

    Each line that dbt prints goes to `on_line`.
    """
    lines: list[str] = []

    def remember(line: str) -> None:
        lines.append(line)
        on_line(line)

    run = run_dbt(settings, *_MODELS, *arguments, on_line=remember)
    if not run.succeeded:
        raise DbtError("\n".join(["the models could not be built:", *lines[-20:]]))
    return run


def dbt_executable() -> str:
    """Return the dbt that was installed beside this Python, whatever PATH says."""
    beside = Path(sysconfig.get_path("scripts")) / "dbt"
    if not beside.exists():
        raise DbtError(f"{beside} does not exist; expected dbt-core in {sys.prefix}: make setup")
    return str(beside)


def ensure_manifest(settings: Settings) -> Path:
    """Return the path of a dbt manifest that is no older than the project, parsing if need be."""
    manifest_path = settings.manifest_dir / "manifest.json"
    if _is_current(manifest_path, settings):
        return manifest_path
    target_dir = settings.manifest_dir
    manifest_path.unlink(missing_ok=True)
    lines: list[str] = []
    run_dbt(
        settings, "--quiet", "parse", "--partial-parse", target_dir=target_dir, on_line=lines.append
    )
    if not manifest_path.exists():
        said = " · ".join(line.strip() for line in lines[-4:]) or "it said nothing"
        raise DbtError(f"dbt cannot parse {settings.dbt_project_dir}: {said}")
    return manifest_path


def built_manifest(settings: Settings) -> Path:
    """Return the path of the manifest that the last run left, or of a new one if it is too old.

    Call with the warehouse lock held, since a run writes this file as it starts.
    """
    manifest_path = settings.dbt_run_dir / "manifest.json"
    return manifest_path if _is_current(manifest_path, settings) else ensure_manifest(settings)


def run_child(
    command: Sequence[str],
    environment: Mapping[str, str],
    on_line: Callable[[str], None] | None,
) -> int:
    """Run a dbt command as a child process, and return its exit code.

    What it prints goes to the terminal, or else, without colours, line by line to `on_line`. It
    holds the locks that this process holds, and does not outlive an error in it.
    """
    output = {}
    if on_line is not None:
        command = [*command, "--no-use-colors"]
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with (
        subprocess.Popen(
            command,
            env=environment,
            encoding="utf-8",
            errors="replace",
            pass_fds=locking.held(),
            **output,
        ) as process,
        killed_on_error(process),
    ):
        locking.name_child(process.pid)
        for line in process.stdout or ():
            if line.strip():
                on_line(line.rstrip())
        process.wait()
    return process.returncode


@contextmanager
def killed_on_error(process: subprocess.Popen) -> Iterator[None]:
    """Let dbt not write on after an error here, which releases the lock."""
    try:
        yield
    except BaseException:
        process.kill()
        process.wait()
        raise


def _places(settings: Settings, target_dir: Path) -> Sequence[str]:
    return (
        "--project-dir",
        str(settings.dbt_project_dir),
        "--profiles-dir",
        str(settings.profiles_dir),
        "--target-path",
        str(target_dir),
        "--log-path",
        str(target_dir),
    )


def _read_results(path: Path) -> Iterator[NodeResult]:
    if not path.exists():
        return
    for result in json.loads(path.read_text())["results"]:
        yield NodeResult(result["unique_id"], result["status"])


def _is_current(manifest_path: Path, settings: Settings) -> bool:
    if not manifest_path.exists():
        return False
    written = manifest_path.stat().st_mtime
    return all(path.stat().st_mtime <= written for path in _project_files(settings))


def _project_files(settings: Settings) -> Iterator[Path]:
    project = settings.project_dir
    yield settings.profiles_dir / "profiles.yml"
    yield settings.dbt_project_dir / "dbt_project.yml"
    for folder in (
        settings.dbt_project_dir / "models",
        settings.dbt_project_dir / "macros",
        project / "seeds" / "definitions",
        project / "seeds" / "reference",
        project / "tests" / "data",
    ):
        # A folder's own time changes when a file in it is added, removed or renamed.
        yield from (path for path in (folder, *folder.rglob("*")) if path.exists())
