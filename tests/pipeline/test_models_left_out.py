"""A table whose model was out of the project misses what changed by then, and is built anew."""

from pathlib import Path

import duckdb

from orchestration import dbt
from orchestration.settings import Settings
from tests.references.warehouses import small_project

LASTING = (
    "{{ config(materialized='incremental', pre_hook='{{ begin_table() }}',"
    " post_hook='{{ record_table() }}') }} select 1 as number"
)


def test_a_model_that_was_left_out_is_built_anew_and_no_other(
    settings: Settings, tmp_path: Path
) -> None:
    project = small_project(settings, tmp_path / "project", {"kept": LASTING, "left": LASTING})
    left = project.dbt_project_dir / "models" / "left.sql"
    first = run(project)
    assert run(project) == first
    left.unlink()
    assert run(project).keys() == {"kept"}
    left.write_text(LASTING)
    last = run(project)
    assert last["kept"] == first["kept"]
    assert last["left"] > first["left"]


def run(project: Settings) -> dict[str, str]:
    """Run all models, and return when each table was last built anew."""
    assert dbt.run_dbt(project, "run").succeeded
    with duckdb.connect(str(project.warehouse_path), read_only=True) as connection:
        built = "select model, version from raw.built_from where kind = 'built'"
        return dict(connection.execute(built).fetchall())
