"""Views and seeds stay as they are until something in the project differs."""

import json
from pathlib import Path

import duckdb
import pytest

from orchestration import dbt
from orchestration.settings import Settings
from tests.references.warehouses import small_project

EVERYTHING = {"steps", "doubled", "halved"}


@pytest.fixture
def project(tmp_path: Path, settings: Settings) -> Settings:
    """Return settings of a project of one seed and two views, with the real macros."""
    folder = tmp_path / "project"
    seeds = folder / "seeds" / "definitions"
    seeds.mkdir(parents=True)
    (seeds / "steps.csv").write_text("step\n1\n2\n")
    return small_project(
        settings,
        folder,
        {
            "doubled": "select step * {{ var('factor') }} as step from {{ ref('steps') }}",
            "halved": "select step / 2 as step from {{ ref('doubled') }}",
        },
        **{"seed-paths": ["../seeds/definitions"]},
        seeds={"+fast": False, "+full_refresh": True},
        vars={"factor": 2},
    )


def made_by(project: Settings, *arguments: str) -> set[str]:
    """Build, and return what was made and not kept."""
    run = dbt.run_dbt(project, "build", "--partial-parse", *arguments)
    assert run.succeeded, run.failed
    results = json.loads((project.dbt_run_dir / "run_results.json").read_text())["results"]
    return {
        result["unique_id"].split(".")[2]
        for result in results
        if not result["unique_id"].startswith("operation.") and result["message"] != "KEPT"
    }


def steps(project: Settings) -> list[int]:
    with duckdb.connect(str(project.warehouse_path), read_only=True) as connection:
        return [step for (step,) in connection.execute("from doubled order by 1").fetchall()]


def test_what_is_as_the_project_says_is_not_made_again(project: Settings) -> None:
    assert made_by(project) == EVERYTHING
    assert made_by(project) == set()
    with duckdb.connect(str(project.warehouse_path)) as connection:
        connection.execute("drop view halved")
    assert made_by(project) == {"halved"}
    assert made_by(project, "--full-refresh") == EVERYTHING


def test_what_another_project_made_is_made_again(project: Settings) -> None:
    made_by(project)
    (project.project_dir / "seeds" / "definitions" / "steps.csv").write_text("step\n5\n")
    assert made_by(project) == EVERYTHING
    assert steps(project) == [10]
    assert made_by(project, "--vars", "factor: 3", "--select", "doubled") == {"doubled"}
    assert steps(project) == [15]
    assert made_by(project) == EVERYTHING
    assert steps(project) == [10]
    assert made_by(project, "--empty") == EVERYTHING
    assert steps(project) == []
    assert made_by(project) == EVERYTHING
    assert steps(project) == [10]


def test_a_view_is_made_again_when_the_columns_of_a_raw_table_differ(project: Settings) -> None:
    described = (
        "sources:\n"
        "  - name: loader\n"
        "    schema: raw\n"
        "    tables:\n"
        "      - {{name: numbers, columns: [{{name: number, data_type: {}}}]}}\n"
    )
    sources = project.dbt_project_dir / "models" / "sources.yml"
    sources.write_text(described.format("integer"))
    (project.dbt_project_dir / "models" / "numbers.sql").write_text(
        "select * from {{ source('loader', 'numbers') }}"
    )
    with duckdb.connect(str(project.warehouse_path)) as connection:
        connection.execute("create schema raw")
        connection.execute("create table raw.numbers as select 1 as number")
    assert made_by(project) == {*EVERYTHING, "numbers"}
    assert made_by(project) == set()
    sources.write_text(described.format("varchar"))
    with duckdb.connect(str(project.warehouse_path)) as connection:
        connection.execute("alter table raw.numbers alter number type varchar")
    assert made_by(project) == {*EVERYTHING, "numbers"}
    with duckdb.connect(str(project.warehouse_path), read_only=True) as connection:
        assert connection.execute("from numbers").fetchall() == [("1",)]
