"""The project as dbt reads it, in the process that others are forked from to run dbt."""

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from orchestration.settings import PROJECT_DIR

# Inherited by the short processes that are forked: an eighth of their time would go into it.
gc.disable()


def _parsed() -> Manifest:
    with TemporaryDirectory() as folder:
        os.environ["CLICKSTREAM_DATA_DIR"] = folder
        places = ("--project-dir", f"{PROJECT_DIR}/dbt_project", "--profiles-dir", f"{PROJECT_DIR}")
        places += ("--target-path", folder, "--log-path", folder)
        result = dbtRunner().invoke(["--quiet", "parse", *places])
    if not result.success:
        raise RuntimeError(f"dbt cannot parse the project: {result.exception}")
    return result.result


_PARSED = _parsed()


def run(arguments: Sequence[str], environment: Mapping[str, str], printed: Path) -> None:
    """Run dbt in this process, which is to end with it; `printed` is where its output goes."""
    with printed.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ.update(environment)
    if str(PROJECT_DIR / "dbt_project") in arguments and not {"--vars", "parse"} & {*arguments}:
        result = dbtRunner(manifest=_PARSED).invoke([*arguments])
    else:
        # A setting may decide what is read, and a test may have a project of its own. The static
        # parser has threads, which a fork has not.
        result = dbtRunner().invoke(["--no-static-parser", *arguments])
    if result.exception is not None:
        print(result.exception)
    # A process that is forked ends without cleaning up: what is written would stay in the log.
    DuckDBConnectionManager.close_all_connections()
    sys.exit(0 if result.success else 1 if result.exception is None else 2)
