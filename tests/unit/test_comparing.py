"""Which rows of two warehouses differ, and what is shown of them."""

import json
from pathlib import Path

import duckdb
import pytest

from orchestration import reporting
from orchestration.comparing import TableComparison, compare
from orchestration.settings import Settings

CREATE = """
create schema intermediate; create schema marts;
create table intermediate.pages (page varchar, views bigint);
insert into intermediate.pages values ('/', 2), ('/a', 1);
create table intermediate.steps (person varchar, step bigint, seen_at timestamp);
insert into intermediate.steps values
    ('p', 1, '2026-01-01'), ('p', 2, '2026-01-02'), ('p', 2, '2026-01-02');
create view marts.steps as from warehouse.intermediate.steps;
"""


@pytest.fixture
def pair(settings: Settings) -> tuple[Settings, Settings]:
    """Return two equal warehouses, and beside the second what dbt says of both."""
    made = tuple(settings.with_data_dir(settings.data_dir / name) for name in ("found", "expected"))
    for each in made:
        each.make_directories()
        change(each, CREATE)
    nodes = [
        ("intermediate", "pages", "incremental", "append"),
        ("intermediate", "steps", "incremental", "restate"),
        ("marts", "steps", "view", None),
        ("intermediate", "left_out", "view", None),
    ]
    write_manifest(made[1].dbt_run_dir, nodes)
    return made


def write_manifest(folder: Path, nodes: list[tuple[str, str, str, str | None]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        f"model.{schema}.{name}": {
            "resource_type": "model",
            "schema": schema,
            "alias": name,
            "config": {"materialized": kind, "incremental_strategy": strategy},
        }
        for schema, name, kind, strategy in nodes
    }
    (folder / "manifest.json").write_text(json.dumps({"nodes": written}))


def change(settings: Settings, sql: str) -> None:
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute(sql)


def differences(pair: tuple[Settings, Settings]) -> dict[str, TableComparison]:
    return {table.name: table for table in compare(*pair) if table.differences}


def test_equal_warehouses_do_not_differ_and_every_table_counts(pair):
    rows = {table.name: table.rows for table in compare(*pair)}
    assert rows == {"intermediate.pages": 2, "intermediate.steps": 3, "marts.steps": 3}
    assert differences(pair) == {}


def test_a_changed_row_is_shown_beside_the_one_that_it_should_be(pair):
    change(pair[0], "update intermediate.steps set seen_at = '2026-03-03' where step = 1")
    found = differences(pair)
    assert found.keys() == {"intermediate.steps", "marts.steps"}
    table = found["marts.steps"]
    assert (table.rows, table.missing, table.unexpected) == (3, 1, 1)
    assert reporting.difference(table.example) == (
        "person = p: seen_at is 2026-03-03 00:00:00 by increments, 2026-01-01 00:00:00 anew"
    )


def test_of_rows_with_one_key_the_most_alike_are_compared(pair):
    change(pair[0], "update intermediate.steps set step = step + 5")
    example = differences(pair)["marts.steps"].example
    assert example.columns == ("step",)


def test_a_row_that_is_there_once_too_often_differs(pair):
    change(pair[0], "insert into intermediate.steps values ('p', 1, '2026-01-01')")
    table = differences(pair)["marts.steps"]
    assert (table.missing, table.unexpected) == (0, 1)
    assert reporting.difference(table.example).endswith("is there only by increments")


def test_a_table_that_is_only_added_to_may_keep_rows_but_not_lack_or_alter_them(pair):
    change(pair[0], "insert into intermediate.pages values ('/gone', 1)")
    assert differences(pair) == {}
    change(pair[0], "update intermediate.pages set views = null where page = '/a'")
    table = differences(pair)["intermediate.pages"]
    assert (table.missing, table.unexpected) == (1, 0)
    shown = reporting.difference(table.example)
    assert shown == "the row page = /a (views = 1) is there only anew"
