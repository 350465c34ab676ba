"""A test looks at what a run has changed only where everything else has passed."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from orchestration import dbt
from orchestration.settings import Settings
from tests.references.warehouses import small_project

PASSED, FAILED = True, False

OF_A_LASTING_TABLE = (
    "{{ config(materialized='incremental', pre_hook='{{ begin_table() }}',"
    " post_hook='{{ record_table() }}') }}"
)
KEPT = "meta: {restated: {unit: key, column: key}}"
FIRST_KEY = OF_A_LASTING_TABLE + "select min(key) as key from {{ ref('keys') }}"


@pytest.fixture
def project(tmp_path: Path, settings: Settings) -> Settings:
    """Return settings of a project with the real macros, whose keys have passed their test."""
    made = small_project(
        settings,
        tmp_path / "project",
        {"keys": "select * from raw.keys", "first_key": FIRST_KEY},
    )
    describe(made, f"[unique: {{config: {{{KEPT}}}}}]")
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


def made_anew_at(project: Settings) -> str:
    with duckdb.connect(str(project.warehouse_path), read_only=True) as connection:
        ((moment,),) = connection.execute(
            "select version from raw.built_from where kind = 'built' and model = 'first_key'"
        ).fetchall()
    return moment


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


def test_of_a_relationship_both_sides_are_what_the_run_has_changed(project: Settings) -> None:
    (project.dbt_project_dir / "models" / "others.sql").write_text("select * from raw.others")
    execute(project, "create table raw.others as select key as other from raw.keys")
    related = "relationships: {arguments: {to: ref('others'), field: other}"
    describe(project, f"[{related}, config: {{{KEPT}}}}}]")
    assert run(project) is PASSED
    execute(project, "delete from raw.others where other = 'a'")
    execute(project, "insert into raw.restated values ('key', 'b')")
    assert run(project) is PASSED
    (compiled,) = project.data_dir.rglob("compiled/**/relationships_*.sql")
    assert compiled.read_text().count("restated.unit = 'key'") == 2
    execute(project, "insert into raw.restated values ('key', 'a')")
    assert run(project) is FAILED


@pytest.mark.parametrize(
    ("unit", "day", "is_looked_at"),
    [
        ("event", "2026-03-10", True),
        ("event", "2026-03-11", False),
        # a session of 24 hours at most ends on the next day, or, where that has 23, the one after
        ("session", "2026-03-12", True),
        ("session", "2026-03-13", False),
    ],
)
def test_where_a_test_names_the_column_of_days_it_looks_at_those_of_what_has_changed(
    settings: Settings, tmp_path: Path, unit: str, day: str, *, is_looked_at: bool
) -> None:
    project = small_project(
        settings,
        tmp_path / "project",
        {
            "keys": "select * from raw.keys",
            "others": "select * from raw.others",
            "first_key": FIRST_KEY,
        },
        vars={"session_max_hours": 24},
    )
    kept = f"{{restated: {{unit: {unit}, column: key, day: day, day_of_other: other_day}}}}"
    found = "relationships: {arguments: {to: ref('others'), field: other}"
    describe(
        project,
        f"[unique: {{config: {{meta: {kept}}}}}, {{{found}, config: {{meta: {kept}}}}}}}]",
    )
    execute(project, "create schema raw")
    execute(project, f"create table raw.keys as select 'a' as key, date '{day}' as day")
    execute(project, f"create table raw.others as select 'a' as other, date '{day}' as other_day")
    assert run(project) is PASSED

    def repeat_day() -> None:
        execute(project, f"insert into raw.restated values ('{unit}', 'a')")
        execute(project, "insert into raw.restated values ('event_day', '2026-03-10')")

    execute(project, "delete from raw.others")
    repeat_day()
    assert run(project) is (FAILED if is_looked_at else PASSED)
    execute(project, f"insert into raw.others values ('a', '{day}')")
    assert run(project) is PASSED
    execute(project, f"insert into raw.keys values ('a', '{day}')")
    repeat_day()
    assert run(project) is (FAILED if is_looked_at else PASSED)


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
        f"[unique: {{name: another, config: {{{KEPT}}}}}]",
        f"[unique: {{config: {{{KEPT}}}}}, not_null]",
        "[unique]",
    ],
)
def test_another_test_looks_at_all_rows(project: Settings, tests_of_key: str) -> None:
    repeat(project, "a", changed=["b"])
    describe(project, tests_of_key)
    assert run(project) is FAILED


@pytest.mark.parametrize(
    "macro",
    [
        "{% test anything(model) %}select 1 limit 0{% endtest %}",
        "{% macro default__test_unique(model, column_name) %}"
        "{{ dbt.default__test_unique(model, column_name) }}{% endmacro %}",
        "{% macro what_tests_share() %}1{% endmacro %}",
    ],
)
def test_a_test_that_was_rewritten_looks_at_all_rows_of_the_same_tables(
    project: Settings, macro: str
) -> None:
    repeat(project, "a", changed=["b"])
    made_at = made_anew_at(project)
    (project.dbt_project_dir / "macros" / "tests" / "anything.sql").write_text(macro)
    assert run(project) is FAILED
    assert made_anew_at(project) == made_at


@pytest.mark.parametrize("leniency", ["severity: warn", "error_if: '>1'"])
def test_a_test_that_lets_failures_pass_looks_at_all_rows(project: Settings, leniency: str) -> None:
    lenient = f"[unique: {{config: {{{leniency}, {KEPT}}}}}]"
    describe(project, lenient)
    assert run(project) is PASSED
    repeat(project, "a", changed=["b"])
    printed: list[str] = []
    dbt.run_dbt(project, "build", on_line=printed.append)
    assert any("Got 1 result" in line for line in printed)


def test_of_a_table_that_was_made_anew_all_rows_are_tested(project: Settings) -> None:
    describe(project, "[]", f"[{{unique: {{config: {{{KEPT}}}}}}}]")
    (project.dbt_project_dir / "models" / "first_key.sql").write_text(
        OF_A_LASTING_TABLE
        + "select key from {{ ref('keys') }} {% if is_increment() %}where key = 'z'{% endif %}"
    )
    assert run(project) is PASSED
    repeat(project, "a", changed=["b"])
    assert run(project) is PASSED
    execute(project, "drop table main.first_key")
    assert run(project) is FAILED
