"""dbt in a process forked from one that has read the project.

To start dbt and to read the project takes longer than most of what the tests have it do.
"""

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

_PROCESSES = multiprocessing.get_context("forkserver")
# All tests of a process share one server; the loader is for those that kill a load.
_PROCESSES.set_forkserver_preload(["tests.references.parsed_project", "orchestration.loading"])


def run_forked(
    command: Sequence[str],
    environment: Mapping[str, str],
    on_line: Callable[[str], None] | None,
) -> int:
    """Do what `orchestration.dbt.run_child` does; lines come when dbt has ended."""
    with TemporaryDirectory() as folder:
        printed = Path(folder) / "printed"
        # The log, which nobody reads here, is an eighth of what dbt does.
        arguments = [*command[1:], "--no-use-colors", "--log-level-file", "none"]
        process = _PROCESSES.Process(target=_run, args=(arguments, dict(environment), printed))
        process.start()
        process.join()
        for line in printed.read_text(errors="replace").splitlines():
            if line.strip():
                (on_line or print)(line.rstrip())
    return process.exitcode


def _run(arguments: Sequence[str], environment: Mapping[str, str], printed: Path) -> None:
    # Only the server has it loaded.
    from tests.references.parsed_project import run

    run(arguments, environment, printed)
