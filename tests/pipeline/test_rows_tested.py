"""A test looks at what a run has changed only where everything else has passed."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from orchestration import dbt
from orchestration.settings import PROJECT_DIR, Settings

PASSED, FAILED = True, False


@pytest.fixture
def project(tmp_path: Path, settings: Settings) -> Settings:
    """Return settings of a project with the real macros, whose keys have passed their test."""
    folder = tmp_path / "project"
    (folder / "dbt_project" / "models").mkdir(parents=True)
    shutil.copy(PROJECT_DIR / "profiles.yml", folder)
    shutil.copytree(PROJECT_DIR / "dbt_project" / "macros", folder / "dbt_project" / "macros")
    (folder / "dbt_project" / "dbt_project.yml").write_text(
        "name: clickstream\n"
        "profile: clickstream\n"
        "on-run-start:\n"
        '- "{{ record_build_started() }}"\n'
        '- "{{ begin_increment() }}"\n'
        "on-run-end:\n"
        '- "{{ end_increment(results) }}"\n'
        '- "{{ record_tests(results) }}"\n'
        '- "{{ record_build(results) }}"\n'
        "models: {+materialized: view}\n"
    )
    (folder / "dbt_project" / "models" / "keys.sql").write_text("select * from raw.keys")
    (folder / "dbt_project" / "models" / "first_key.sql").write_text(
        "{{ config(materialized='incremental', pre_hook='{{ begin_table() }}',"
        " post_hook='{{ record_table() }}') }}"
        "select min(key) as key from {{ ref('keys') }}"
    )
    made = replace(
        settings,
        project_dir=folder,
        dbt_project_dir=folder / "dbt_project",
        profiles_dir=folder,
    )
    describe(made, "[unique: {config: {meta: {restated: [key, key]}}}]")
    execute(made, "create schema raw; create table raw.keys (key varchar)")
    execute(made, "insert into raw.keys values ('a'), ('b')")
    assert run(made) is PASSED
    return made


def describe(project: Settings, tests_of_key: str, tests_of_first_key: str = "[]") -> None:
    (project.dbt_project_dir / "models" / "models.yml").write_text(
        "models:\n"
        f"- {{name: keys, columns: [{{name: key, data_tests: {tests_of_key}}}]}}\n"
        f"- {{name: first_key, columns: [{{name: key, data_tests: {tests_of_first_key}}}]}}\n"
    )


def execute(project: Settings, sql: str) -> None:
    with duckdb.connect(str(project.warehouse_path)) as connection:
        connection.execute(sql)


def repeat(project: Settings, key: str, *, changed: Sequence[str]) -> None:
    execute(project, f"insert into raw.keys values ('{key}')")
    for each in changed:
        execute(project, f"insert into raw.restated values ('key', '{each}')")


def run(project: Settings, *arguments: str) -> bool:
    return dbt.run_dbt(project, *(arguments or ["build"])).succeeded


def test_what_a_run_has_changed_is_tested(project: Settings) -> None:
    repeat(project, "a", changed=["a", "b"])
    assert run(project) is FAILED


def test_what_it_has_not_is_not_tested_again(project: Settings) -> None:
    repeat(project, "a", changed=["b"])
    assert run(project) is PASSED


def test_dbt_test_looks_at_all_rows(project: Settings) -> None:
    repeat(project, "a", changed=["b"])
    assert run(project, "test") is FAILED


def test_a_run_after_one_that_failed_looks_at_all_rows(project: Settings) -> None:
    repeat(project, "a", changed=["a"])
    assert run(project) is FAILED
    assert run(project) is FAILED


def test_a_run_after_one_that_was_not_whole_looks_at_all_rows(project: Settings) -> None:
    repeat(project, "a", changed=["b"])
    assert run(project, "run") is PASSED
    assert run(project) is FAILED
    execute(project, "delete from raw.keys where key = 'a'")
    assert run(project) is PASSED
    repeat(project, "b", changed=[])
    assert run(project) is PASSED


def test_a_run_after_one_that_was_killed_looks_at_all_rows(project: Settings) -> None:
    repeat(project, "a", changed=["b"])
    (project.dbt_project_dir / "models" / "wrong.sql").write_text("select * from nowhere")
    assert run(project, "build", "--exclude", "keys") is FAILED
    (project.dbt_project_dir / "models" / "wrong.sql").unlink()
    assert run(project) is FAILED


@pytest.mark.parametrize(
    "tests_of_key",
    [
        "[unique: {name: another, config: {meta: {restated: [key, key]}}}]",
        "[unique: {config: {meta: {restated: [key, key]}}}, not_null]",
        "[unique]",
    ],
)
def test_another_test_looks_at_all_rows(project: Settings, tests_of_key: str) -> None:
    repeat(project, "a", changed=["b"])
    describe(project, tests_of_key)
    assert run(project) is FAILED


def test_a_test_that_was_rewritten_looks_at_all_rows(project: Settings) -> None:
    repeat(project, "a", changed=["b"])
    tests = project.dbt_project_dir / "macros" / "tests"
    (tests / "anything.sql").write_text("{% test anything(model) %}select 1 limit 0{% endtest %}")
    assert run(project) is FAILED


@pytest.mark.parametrize("leniency", ["severity: warn", "error_if: '>1'"])
def test_a_test_that_lets_failures_pass_looks_at_all_rows(project: Settings, leniency: str) -> None:
    lenient = f"[unique: {{config: {{{leniency}, meta: {{restated: [key, key]}}}}}}]"
    describe(project, lenient)
    assert run(project) is PASSED
    repeat(project, "a", changed=["b"])
    printed: list[str] = []
    dbt.run_dbt(project, "build", on_line=printed.append)
    assert any("Got 1 result" in line for line in printed)


def test_of_a_table_that_was_made_anew_all_rows_are_tested(project: Settings) -> None:
    describe(project, "[]", "[{unique: {config: {meta: {restated: [key, key]}}}}]")
    (project.dbt_project_dir / "models" / "first_key.sql").write_text(
        "{{ config(materialized='incremental', pre_hook='{{ begin_table() }}',"
        " post_hook='{{ record_table() }}') }}"
        "select key from {{ ref('keys') }} {% if is_increment() %}where key = 'z'{% endif %}"
    )
    assert run(project) is PASSED
    repeat(project, "a", changed=["b"])
    assert run(project) is PASSED
    execute(project, "drop table main.first_key")
    assert run(project) is FAILED
