"""The SQL of our models, as dbt compiles it: python -m benchmarks.engines.models FOLDER."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from benchmarks.engines.asking import SQL
from orchestration.dbt import DbtError, run_dbt
from orchestration.settings import read_settings

NAMED, SESSIONIZED, HORIZONS = (
    f"model.clickstream.{name}"
    for name in ("int_events_named", "int_events_sessionized", "int_source_horizons")
)
ENTRANTS = "model.clickstream.funnel_entrants"
GIVEN = ("event_id", "source_name", "event_name", "occurred_at", "event_date", "device_id")
GIVEN += ("user_id", "page_path", "file_id", "row_number")
"""Columns of the named events that the benchmark has; the others are null."""


def main() -> None:
    """Write into the folder that the command line names."""
    write_models(Path(sys.argv[1]))


def write_models(folder: Path) -> None:
    """Write into the folder what the models read, and how the funnels' models are built."""
    nodes = _compile(folder / "dbt")
    missing = [name for name in nodes[NAMED]["columns"] if name not in GIVEN]
    inputs = Template((SQL / "duckdb" / "inputs.sql").read_text()).substitute(
        columns_that_no_question_needs=", ".join(
            f"cast(null as varchar) as {name}" for name in missing
        ),
        int_events_sessionized=nodes[SESSIONIZED]["compiled_code"],
        int_source_horizons=nodes[HORIZONS]["compiled_code"],
    )
    (folder / "inputs.sql").write_text(inputs)
    (folder / "funnel_by_models.sql").write_text(
        "\n".join(
            f"create or replace {_kind(node)} {node['relation_name']} as\n{node['compiled_code']};"
            for node in _with_parents(nodes, ENTRANTS, set())
        )
    )


def _compile(folder: Path) -> dict[str, dict]:
    settings = read_settings({}).with_data_dir(folder)
    settings.make_directories()
    said: list[str] = []
    selected = [NAMED, SESSIONIZED, HORIZONS, ENTRANTS]
    run = run_dbt(
        settings,
        "--quiet",
        "compile",
        "--no-introspect",
        "--select",
        *(name.rpartition(".")[2] for name in selected),
        "path:models/*/funnels",
        on_line=said.append,
    )
    if not run.succeeded:
        raise DbtError("\n".join(said))
    return json.loads((settings.dbt_run_dir / "manifest.json").read_text())["nodes"]


def _kind(node: Mapping[str, dict]) -> str:
    return "view" if node["config"]["materialized"] == "view" else "table"


def _with_parents(nodes: Mapping[str, dict], key: str, seen: set[str]) -> Iterator[dict]:
    """Yield a model after those of its room that it reads."""
    seen.add(key)
    for parent in nodes[key]["depends_on"]["nodes"]:
        if parent in nodes and parent not in seen and nodes[parent]["fqn"][-2] == "funnels":
            yield from _with_parents(nodes, parent, seen)
    yield nodes[key]


if __name__ == "__main__":
    main()
