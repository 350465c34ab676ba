"""How a test gets a warehouse of its own: settings for a folder, load, build, compiled models."""

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import yaml

from orchestration import dbt, operations
from orchestration.settings import PROJECT_DIR, Settings, read_settings

SHARED_FOLDER = "TEST_RUN_FOLDER"
"""Environment variable that names the folder which all processes of a test run share."""


@dataclass(frozen=True)
class BuiltWarehouse:
    """A warehouse with its marts built; nobody writes it any more."""

    settings: Settings

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a read-only connection to the warehouse."""
        return _in_utc(duckdb.connect(str(self.settings.warehouse_path), read_only=True))

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """Return the rows that a query finds."""
        with self.connect() as connection:
            return rows_of(connection, query, parameters)


def rows_of(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()
) -> list[dict[str, Any]]:
    """Return the rows that a query finds, as dictionaries."""
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def settings_in(folder: Path, sources: Iterable[Mapping[str, Any]] | None = None) -> Settings:
    """Return settings whose data lies in `folder`; `sources` take the place of sources.yml."""
    environment = {
        "CLICKSTREAM_DATA_DIR": str(folder / "data"),
        "CLICKSTREAM_MEMORY_LIMIT": os.environ.get("CLICKSTREAM_MEMORY_LIMIT", ""),
        "CLICKSTREAM_THREADS": os.environ.get("CLICKSTREAM_THREADS", ""),
    }
    if sources is not None:
        sources_path = folder / "sources.yml"
        sources_path.write_text(yaml.safe_dump({"sources": list(sources)}))
        environment["CLICKSTREAM_SOURCES"] = str(sources_path)
    return read_settings(environment)


def with_project(settings: Settings, folder: Path) -> Settings:
    """Return the settings with the dbt project in `folder` in the place of this one."""
    return replace(
        settings,
        project_dir=folder,
        dbt_project_dir=folder / "dbt_project",
        profiles_dir=folder,
    )


def small_project(
    settings: Settings, folder: Path, models: Mapping[str, str], **more: object
) -> Settings:
    """Return the settings with a dbt project of these models, by name, made in `folder`.

    Macros, and what runs before and after, are the real ones; `more` goes into dbt_project.yml.
    """
    project = folder / "dbt_project"
    (project / "models").mkdir(parents=True)
    shutil.copy(PROJECT_DIR / "profiles.yml", folder)
    shutil.copytree(PROJECT_DIR / "dbt_project" / "macros", project / "macros")
    real = yaml.safe_load((PROJECT_DIR / "dbt_project" / "dbt_project.yml").read_text())
    as_it_is = {each: real[each] for each in ("name", "profile", "on-run-start", "on-run-end")}
    (project / "dbt_project.yml").write_text(
        yaml.safe_dump(as_it_is | {"models": {"+materialized": "view"}} | more)
    )
    for name, sql in models.items():
        (project / "models" / f"{name}.sql").write_text(sql)
    return with_project(settings, folder)


def begin(settings: Settings) -> None:
    """Make a warehouse that has raw tables, seeds and views."""
    settings.make_directories()
    shutil.copyfile(_first_build().warehouse_path, settings.warehouse_path)


def load(settings: Settings) -> None:
    """Load every configured source, into a warehouse that has its seeds and views if it is new."""
    if not settings.warehouse_path.exists():
        begin(settings)
    with operations.warehouse_lock(settings, "test", say=lambda _: None):
        operations.load(settings)


@cache
def _first_build() -> Settings:
    """Return settings of a warehouse with raw tables, seeds and views, all made by a build.

    They take half of the time of a small build, and are kept from run to run; tables are built anew
    in it. What dbt compiled for them stands in the manifest.
    """

    def make(settings: Settings) -> None:
        operations.prepare(settings)
        build_without_tests(settings)
        with duckdb.connect(str(settings.warehouse_path)) as connection:
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables() "
                "where schema_name in ('intermediate', 'marts', 'quality')"
            ).fetchall()
            for schema, table in tables:
                connection.execute(f"drop table {schema}.{table}")
            connection.execute("delete from raw.built_from where kind != 'project'")
            connection.execute("delete from raw.builds")

    return made_once("first_build", make)


def build_without_tests(settings: Settings) -> None:
    """Build seeds and models with dbt, leaving out dbt's own tests."""
    dbt.build_models(settings)


def build_tables(settings: Settings) -> None:
    """Make every table from the SQL that dbt compiled, in a warehouse that has seeds and views.

    For tests of what is in the tables: it takes a fraction of what dbt does.
    """
    compiled = compiled_models([node["name"] for node in _compiled_project().values()])
    tables = (node for node in compiled.nodes if node["config"]["materialized"] != "view")
    with _in_utc(duckdb.connect(str(settings.warehouse_path))) as connection:
        for node in tables:
            _make(connection, "table", node)


def run_dbt(settings: Settings, *arguments: str) -> None:
    """Run dbt, and show what it printed if it fails."""
    printed: list[str] = []
    run = dbt.run_dbt(settings, *arguments, on_line=printed.append)
    assert run.succeeded, "\n".join(printed)


@dataclass(frozen=True)
class CompiledModels:
    """The SQL of models, compiled once.

    dbt takes seconds to start; with these, many small sets of records are built in the time of one.
    """

    nodes: tuple[Mapping[str, Any], ...]

    def build(
        self, folder: Path, sources: Sequence[Mapping[str, Any]], *, seeds: Sequence[str] = ()
    ) -> BuiltWarehouse:
        """Load the sources into a warehouse in `folder`, run `seeds` on it, build every model."""
        settings = settings_in(folder, sources)
        load(settings)
        with _in_utc(duckdb.connect(str(settings.warehouse_path))) as connection:
            for statement in seeds:
                connection.execute(statement)
            for node in self.nodes:
                kind = "view" if node["config"]["materialized"] == "view" else "table"
                _make(connection, kind, node)
        return BuiltWarehouse(settings)


def _make(connection: duckdb.DuckDBPyConnection, kind: str, node: Mapping[str, Any]) -> None:
    connection.execute(f"create schema if not exists {node['schema']}")
    connection.execute(
        f"create or replace {kind} {node['relation_name']} as {node['compiled_code']}"
    )


def compiled_models(names: Collection[str]) -> CompiledModels:
    """Return the models called `names` and all that they are made of, compiled for a full build."""
    models = _compiled_project()
    wanted = {node_id for node_id, node in models.items() if node["name"] in names}
    parents: dict[str, set[str]] = {}
    while wanted:
        node_id = wanted.pop()
        parents[node_id] = {p for p in models[node_id]["depends_on"]["nodes"] if p in models}
        wanted |= parents[node_id] - parents.keys()
    order = TopologicalSorter(parents).static_order()
    return CompiledModels(tuple(models[node_id] for node_id in order))


@cache
def _compiled_project() -> Mapping[str, Mapping[str, Any]]:
    """Return every model by its id, compiled for a full build."""
    manifest = json.loads((_first_build().dbt_run_dir / "manifest.json").read_text())
    return {
        node_id: node
        for node_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    }


def made_once(name: str, make: Callable[[Settings], None]) -> Settings:
    """Return settings of a warehouse that `make`, with its lock held, has made in this test run.

    The first process of the run to ask for it makes it, others wait for that.
    """
    folder = Path(os.environ[SHARED_FOLDER]) / name
    folder.mkdir(exist_ok=True)
    settings = settings_in(folder)
    made = folder / "made"
    with operations.warehouse_lock(settings, "test", say=lambda _: None):
        if not made.exists():
            make(settings)
            made.touch()
    return settings


def _in_utc(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection.execute("set TimeZone = 'UTC'")
    return connection
