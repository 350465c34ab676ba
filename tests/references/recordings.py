"""How builds are repeated without dbt: its statements, written down once, run on other records.

dbt takes ten seconds to start and run; the statements that it runs take a fraction of one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration import operations
from tests.references.warehouses import settings_in

CHANGED_FILE = "THE-CHANGED-FILE"
"""The one file that changes in an increment that is written down; it stands for any of them."""

TABLES = ("config.materialized:table", "config.materialized:incremental")
"""What dbt is to select to build every table and no view."""

RECORD_OF_CHANGED_FILE = f"""
    insert into raw.generic_events by name
    select
        source_name as _source_name, 'UTC' as _source_timezone, '{CHANGED_FILE}' as _file_id,
        1 as _row_number, timestamp '2022-11-20 00:00:00' as _loaded_at,
        'purchase' as event_name, '2022-11-01 10:00:00' as occurred_at, 'd' as device_id
    from raw.sources where source_kind = 'generic' limit 1
"""

_LIST_OF_FILES = f"in ('{CHANGED_FILE}')"
_ASKS_FOR_FILES = (
    "select coalesce(loaded.file_id, built.input) from ",
    "select distinct events.file_id from ",
)
_ASKS_FOR_DAYS = "select distinct cast(restated.id as date) + "
_LIST_OF_DAYS = re.compile(r"(\w+_date) in \((cast\('[\d-]+' as date\)(, )?)+\)")
_REMARKS = re.compile(r"(\s*(/\*.*?\*/|--[^\n]*\n))*\s*", re.DOTALL)
_WRITES = re.compile(
    r"(create\s+(or\s+replace\s+)?(temp\w*\s+)?table|insert|update|delete|alter\s+table|drop\s+table)\s"
)
_VIEW = "__view"


@dataclass(frozen=True)
class Statement:
    """One statement that dbt ran, and the model that it is about."""

    model: str | None
    sql: str


@dataclass(frozen=True)
class Recording:
    """What dbt runs to build every table anew, and what it runs to bring them up to date.

    `template` is a warehouse without records: raw tables, seeds, views, and models' tables, empty.
    """

    template: Path
    build: tuple[Statement, ...] = field(repr=False)
    increment: tuple[Statement, ...] = field(repr=False)
    parents: Mapping[str, Sequence[str]] = field(repr=False)
    """What each model reads."""
    lasting: frozenset[str]
    """The models whose tables last from one increment to the next."""

    def upstream(self, models: Iterable[str]) -> frozenset[str]:
        """Return the models with all that they are made of."""
        found: set[str] = set()
        to_visit = list(models)
        while to_visit:
            name = to_visit.pop()
            if name not in found:
                found.add(name)
                to_visit.extend(self.parents[name])
        return frozenset(found)

    def with_fault(self, sound: str, faulty: str) -> "Recording":
        """Return a recording of an increment in which one text takes the place of another."""
        found = [statement for statement in self.increment if sound in statement.sql]
        assert found, f"no statement of the increment says {sound}"
        changed = {
            statement: replace(statement, sql=statement.sql.replace(sound, faulty))
            for statement in found
        }
        return replace(
            self, increment=tuple(changed.get(statement, statement) for statement in self.increment)
        )

    def with_model(self, model: str, other: "Recording") -> "Recording":
        """Return the recording with the other one's statements for one model."""
        return replace(
            self,
            build=_with_model(model, self.build, other.build),
            increment=_with_model(model, self.increment, other.increment),
        )


def _with_model(
    model: str, statements: Sequence[Statement], others: Sequence[Statement]
) -> tuple[Statement, ...]:
    (first, *_) = (n for n, statement in enumerate(statements) if statement.model == model)
    return (
        *statements[:first],
        *(statement for statement in others if statement.model == model),
        *(statement for statement in statements[first:] if statement.model != model),
    )


def record(
    folder: Path,
    sources: Iterable[Mapping[str, Any]],
    variables: Mapping[str, Any],
    other_variables: Mapping[str, Any],
    model: str,
) -> tuple[Recording, Recording]:
    """Return what dbt runs with `variables`, and with those others, which one model alone reads."""
    folder.mkdir()
    settings = settings_in(folder, sources)
    with operations.warehouse_lock(settings, "test", say=lambda _: None):
        operations.prepare(settings)
    model_alone = ["--select", "int_files_loaded", model]
    others = variables | other_variables
    not_yet = [
        "delete from raw.generic_events",
        "delete from intermediate.int_files_loaded",
        f"drop table intermediate.{model}",
    ]
    arrived = [RECORD_OF_CHANGED_FILE]
    build = ["build", "--exclude-resource-type", "unit_test", "test"]
    runs = [
        _run(folder, "build", [], build, variables),
        _run(folder, "increment", arrived, ["run", "--select", *TABLES], variables),
        _run(folder, "other_build", not_yet, ["run", *model_alone], others),
        _run(folder, "other_increment", arrived, ["run", *model_alone], others),
    ]
    places = ("--project-dir", settings.dbt_project_dir, "--profiles-dir", settings.profiles_dir)
    places += ("--target-path", folder / "dbt", "--log-path", folder / "dbt", "--threads", 1)
    places += ("--log-level-file", "none")
    plan = {
        "warehouse": str(settings.warehouse_path),
        "places": [str(place) for place in places],
        "runs": runs,
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    run = subprocess.run(
        [sys.executable, "-m", "tests.references.record_statements", folder / "plan.json"],
        env=os.environ | settings.environment,
        cwd=settings.project_dir,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-5000:]
    template = folder / "template.duckdb"
    _make_template(folder / "build.duckdb", template)
    nodes = json.loads((folder / "dbt" / "manifest.json").read_text())["nodes"]
    lasting = frozenset(
        node["name"] for node in nodes.values() if node["config"]["materialized"] == "incremental"
    )
    parents = {
        node["name"]: [
            nodes[id]["name"] for id in node["depends_on"].get("nodes", []) if id in nodes
        ]
        for node in nodes.values()
        if node["resource_type"] in ("model", "seed")
    }
    assert lasting and parents
    first, second = (
        Recording(
            template,
            _statements(folder / f"{which}build.json"),
            _statements(folder / f"{which}increment.json"),
            parents,
            lasting,
        )
        for which in ("", "other_")
    )
    return first, first.with_model(model, second)


def _run(
    folder: Path,
    name: str,
    before: Sequence[str],
    arguments: Sequence[str],
    variables: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "before": before,
        "arguments": [*arguments, "--vars", json.dumps(variables)],
        "statements": str(folder / f"{name}.json"),
        "copy": str(folder / f"{name}.duckdb"),
    }


def _statements(path: Path) -> tuple[Statement, ...]:
    """Return what writes tables, and what asks which files and days are concerned."""
    found = []
    awaits_days = False
    for recorded in json.loads(path.read_text()):
        sql = _REMARKS.sub("", recorded["sql"], count=1)
        kind, _, name = (recorded["node_id"] or "").rpartition(".")
        is_seed = kind.startswith("seed.")
        asks = sql.startswith((*_ASKS_FOR_FILES, _ASKS_FOR_DAYS))
        if not is_seed and (_WRITES.match(sql.lower()) or asks):
            # one connection runs many increments
            sql = re.sub("^create temporary table", "create or replace temporary table", sql)
            assert CHANGED_FILE not in sql.replace(_LIST_OF_FILES, ""), sql
            # where a run found no days, it says so by another condition than a list
            asks_for_days = sql.startswith(_ASKS_FOR_DAYS)
            assert asks_for_days or not awaits_days or _LIST_OF_DAYS.search(sql), sql
            awaits_days = asks_for_days
            found.append(Statement(name or None, sql))
    return tuple(found)


def _make_template(warehouse: Path, template: Path) -> None:
    """Copy a warehouse, with a table in the place of every staging view.

    To plan a union of all kinds of sources takes the engine longer than all else together. Views
    that may have rows are kept beside their tables.
    """
    shutil.copyfile(warehouse, template)
    with duckdb.connect(str(template)) as connection:
        (kinds,) = connection.execute("select list(source_kind) from raw.sources").fetchone()
        for view in names(connection, "view", "staging"):
            kind = view.removeprefix("stg_").partition("__")[0]
            if kind == "loader":
                continue
            connection.execute(f"create temp table empty as from staging.{view} limit 0")
            if kind in kinds:
                connection.execute(f"alter view staging.{view} rename to {view}{_VIEW}")
            else:
                connection.execute(f"drop view staging.{view}")
            connection.execute(f"create table staging.{view} as from empty")
            connection.execute("drop table empty")


def names(connection: duckdb.DuckDBPyConnection, what: str, schema: str) -> list[str]:
    """Return the names of the tables, or views, in a schema."""
    rows = connection.execute(
        f"select {what}_name from duckdb_{what}s() "
        "where database_name = current_database() and schema_name = $1 order by 1",
        [schema],
    )
    return [name for (name,) in rows.fetchall()]


def _is_of(statement: Statement, models: Set[str] | None) -> bool:
    return models is None or statement.model is None or statement.model in models


class Replay:
    """A warehouse whose tables are brought up to date by what dbt once ran, or are built anew."""

    def __init__(self, recording: Recording, warehouse: Path | None = None) -> None:
        """Copy the template, into memory or to a file that does not exist."""
        self.recording = recording
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute("set TimeZone = 'UTC'")
        self.connection.execute(f"attach '{recording.template}' as template (read_only)")
        self.connection.execute(f"attach '{warehouse or ':memory:'}' as warehouse")
        self.connection.execute("copy from database template to warehouse")
        self.connection.execute("detach template")
        self.connection.execute("use warehouse")

    def close(self) -> None:
        """Close the warehouse."""
        self.connection.close()

    def increment(self, models: Set[str] | None = None, *, killed_at: str | None = None) -> None:
        """Bring all tables up to date, or those of some models alone, or those before one."""
        self.stage()
        files: list[str] = []
        days: list[date] = []
        for statement in self.recording.increment:
            if statement.model is not None and statement.model == killed_at:
                return
            if not _is_of(statement, models):
                continue
            if statement.sql.startswith(_ASKS_FOR_DAYS):
                days = [row[0] for row in self.connection.execute(statement.sql).fetchall()]
                continue
            listed_days = ", ".join(f"date '{day}'" for day in days) or "null"
            sql = _LIST_OF_DAYS.sub(rf"\1 in ({listed_days})", statement.sql)
            if sql.startswith(_ASKS_FOR_FILES):
                files = [row[0] for row in self.connection.execute(sql).fetchall()]
                continue
            listed = ", ".join(f"'{file}'" for file in files) or "'no file'"
            self.connection.execute(sql.replace(_LIST_OF_FILES, f"in ({listed})"))

    def build(self, models: Set[str] | None = None) -> None:
        """Build every table anew, or those of some models alone."""
        self.stage()
        for schema in ("intermediate", "marts"):
            for table in names(self.connection, "table", schema):
                if models is None or table in models:
                    self.connection.execute(f"drop table {schema}.{table}")
        for statement in self.recording.build:
            if _is_of(statement, models):
                self.connection.execute(statement.sql)

    def stage(self) -> None:
        """Fill the tables that stand for staging views."""
        for view in names(self.connection, "view", "staging"):
            if view.endswith(_VIEW):
                self.connection.execute(
                    f"create or replace table staging.{view.removesuffix(_VIEW)} "
                    f"as from staging.{view}"
                )
