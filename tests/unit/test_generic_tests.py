"""Our own generic tests of dbt find what they are for."""

import re

import duckdb
import jinja2
import pytest

from orchestration.settings import PROJECT_DIR

MACROS = PROJECT_DIR / "dbt_project" / "macros" / "tests"


def sql_of(test: str, **arguments: object) -> str:
    """Return the SQL that dbt would run for the test."""
    source = re.sub(
        r"\{% (end)?test\b", r"{% \1macro", (MACROS / f"{test}.sql").read_text(encoding="utf-8")
    )
    module = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(source).module
    return str(getattr(module, test)(**arguments))


@pytest.fixture
def rows() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "create table rows as "
        "from (values (1, 'a', null), (2, null, null), (2, 'b', 0)) as rows(a, b, c)"
    )
    return connection


def test_every_column_with_a_null_is_named_with_how_many(rows: duckdb.DuckDBPyConnection) -> None:
    sql = sql_of("no_nulls", model="rows", columns=["a", "b", "c"])
    assert sorted(rows.execute(sql).fetchall()) == [("b", 1), ("c", 2)]


def test_a_combination_that_occurs_twice_is_named(rows: duckdb.DuckDBPyConnection) -> None:
    assert rows.execute(sql_of("unique_together", model="rows", columns=["a"])).fetchall() == [
        (2, 2)
    ]
    assert not rows.execute(sql_of("unique_together", model="rows", columns=["a", "b"])).fetchall()
