"""How the statements that dbt runs are written down: a script, run as a process of its own.

    python -m tests.references.record_statements plan.json

The plan says of every run of dbt which SQL comes before it, its arguments, the file that its
statements are written to, and the one that the warehouse is copied to afterwards.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
from dbt.cli.main import dbtRunner

_COMMENT = re.compile(r"^\s*/\*(.*?)\*/\s*", re.DOTALL)

recorded: list[dict[str, str | None]] = []
run_by_dbt = DuckDBCursorWrapper.execute


def record(cursor: DuckDBCursorWrapper, sql: str, bindings: Any = None) -> Any:
    """Run the statement, and write down what it is and which node it is about."""
    comment = _COMMENT.match(sql)
    node_id = json.loads(comment[1]).get("node_id") if comment else None
    plain = sql[comment.end() :] if comment else sql
    if plain.lstrip().startswith("comment on "):
        return run_by_dbt(cursor, "select 1")
    # Rows with parameters are those of seeds, which stay as they are.
    if not bindings:
        recorded.append({"node_id": node_id, "sql": plain})
    return run_by_dbt(cursor, sql, bindings)


def main(plan_path: str) -> None:
    """Run dbt as often as the plan says; the project is parsed once."""
    plan = json.loads(Path(plan_path).read_text())
    DuckDBCursorWrapper.execute = record
    manifest = _run(dbtRunner(), ["parse", *plan["places"]])
    for run in plan["runs"]:
        with duckdb.connect(plan["warehouse"]) as connection:
            for statement in run["before"]:
                connection.execute(statement)
        recorded.clear()
        # dbt compiles into the manifest that it is given, and keeps the warehouse open
        _run(dbtRunner(manifest=manifest.deepcopy()), [*run["arguments"], *plan["places"]])
        DuckDBConnectionManager.env().close()
        Path(run["statements"]).write_text(json.dumps(recorded))
        shutil.copyfile(plan["warehouse"], run["copy"])


def _run(runner: dbtRunner, arguments: list[str]) -> Any:
    result = runner.invoke(arguments)
    if not result.success:
        sys.exit(str(result.exception or f"dbt {' '.join(arguments)} failed"))
    return result.result


if __name__ == "__main__":
    main(sys.argv[1])
