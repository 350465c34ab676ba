"""Marts → a read-only copy that people query, whole or not at all. Pure DuckDB; no Dagster."""

import hashlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.dbt import built_manifest
from orchestration.loading.warehouse import identifier, literal, open_to_read, when_free
from orchestration.settings import Settings
from orchestration.storage import declared

PUBLISHED_SCHEMAS = ("marts", "quality")

# The oldest storage that holds every type of the marts; the tools people use open it.
STORAGE_VERSION = "v1.4.0"

_WAREHOUSE = "warehouse"
_COPY = "published"
_EVENTS = ("marts", "events")

_QUERY_WIDTH = 500  # columns of a terminal
_QUERY_ROWS = 1000


class PublishRefused(Exception):
    """The warehouse holds nothing fit to publish; the message says why and what to do."""


@dataclass(frozen=True)
class Build:
    """What the newest row of the build record says about the tables in the warehouse."""

    build_id: str
    recorded_at: datetime
    state: str
    command: str
    is_whole: bool
    passed: bool
    failed_count: int
    warned_count: int
    first_failure: str | None

    @property
    def obstacle(self) -> str | None:
        """Return why this build must not be published, or None if it may."""
        when = f"the last build ({self.command}, {self.recorded_at:%Y-%m-%d %H:%M} UTC)"
        if self.state != "completed":
            return f"{when} did not end, so its tables may not belong together"
        if not self.passed:
            others = f" and {self.failed_count - 1} more" if self.failed_count > 1 else ""
            return f"{when} failed at {self.first_failure}{others}"
        if not self.is_whole:
            return f"{when} left out models or tests, so its tables may not belong together"
        return None


@dataclass(frozen=True)
class Relation:
    """A model to publish, with the words that go with it."""

    schema: str
    name: str
    description: str
    columns: dict[str, str]


@dataclass(frozen=True)
class PublishedTable:
    """A table of the published copy and its rows."""

    schema: str
    name: str
    rows: int


@dataclass(frozen=True)
class Publication:
    """A published copy: where it is, what it holds, and how old that is."""

    path: Path
    published_at: datetime
    build_id: str
    loaded_through_at: datetime | None
    data_through_at: datetime | None
    tables: tuple[PublishedTable, ...]
    size_bytes: int

    def rows(self, name: str) -> int | None:
        """Return how many rows the table called `name` has, or None if there is no such table."""
        return next((table.rows for table in self.tables if table.name == name), None)


def publish(settings: Settings) -> Publication:
    """Copy the marts into a new file and put it in the published one's place in a single step.

    Call with the warehouse lock held. A reader that has the old file open keeps reading it.
    """
    target = settings.published_path
    _sweep(target)
    build = last_build(settings)
    if build is None:
        raise PublishRefused(f"{settings.warehouse_path} was never built; run: clickstream build")
    if build.obstacle:
        raise PublishRefused(f"{build.obstacle}; put it right, then run: clickstream build")
    relations = read_relations(built_manifest(settings))
    copy_path = target.parent / f".{target.name}.{os.getpid()}.tmp"
    try:
        _write_copy(settings, copy_path, relations, build)
        _swap(copy_path, target)
    finally:
        _sweep(target)
    publication = read_publication(target)
    assert publication is not None
    return publication


def last_build(settings: Settings) -> Build | None:
    """Return the newest entry of the build record, or None if there is none."""
    if not settings.warehouse_path.exists():
        return None
    with open_to_read(settings.warehouse_path) as connection:
        return read_last_build(connection)


def read_last_build(connection: duckdb.DuckDBPyConnection) -> Build | None:
    """Return the newest entry of the build record in the warehouse behind `connection`."""
    if not _has_table(connection, "raw", "builds"):
        return None
    rows = connection.execute(
        """
        select
            invocation_id, recorded_at, state, command, coalesce(is_whole, false),
            coalesce(passed, false), coalesce(failed_count, 0), coalesce(warned_count, 0),
            first_failure
        from raw.builds
        order by recorded_at desc, state
        limit 1
        """
    ).fetchall()
    return Build(*rows[0]) if rows else None


def read_relations(manifest_path: Path) -> tuple[Relation, ...]:
    """Return the models that dbt's manifest puts in a published schema, by schema and name."""
    nodes = json.loads(manifest_path.read_text())["nodes"].values()
    relations = [
        Relation(
            schema=node["schema"],
            name=node["alias"],
            description=node["description"],
            columns={c["name"]: c["description"] for c in node["columns"].values()},
        )
        for node in nodes
        if node["resource_type"] == "model"
        and node["schema"] in PUBLISHED_SCHEMAS
        and node["config"]["materialized"] != "ephemeral"
    ]
    if not relations:
        raise PublishRefused(
            f"{manifest_path}: no model in the schemas {' and '.join(PUBLISHED_SCHEMAS)}; "
            "expected at least one"
        )
    return tuple(sorted(relations, key=lambda relation: (relation.schema, relation.name)))


def read_publication(path: Path) -> Publication | None:
    """Return what the published file at `path` says of itself, or None if there is none."""
    if not path.exists():
        return None
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = connection.execute(
            """
            select
                published_at, build_id, loaded_through_at, data_through_at,
                table_schema, table_name, row_count
            from main.published
            order by table_schema, table_name
            """
        ).fetchall()
    published_at, build_id, loaded_through_at, data_through_at = rows[0][:4]
    return Publication(
        path=path,
        published_at=published_at,
        build_id=build_id,
        loaded_through_at=loaded_through_at,
        data_through_at=data_through_at,
        tables=tuple(PublishedTable(*row[4:]) for row in rows),
        size_bytes=path.stat().st_size,
    )


def query(settings: Settings, sql: str) -> str:
    """Return what a question finds in the published file, as a table of text.

    Raises PublishRefused where nothing was published yet, and duckdb.Error for what is no query.
    """
    path = settings.published_path
    if not path.exists():
        raise PublishRefused(f"{path} does not exist; publish first: clickstream run")
    with duckdb.connect(str(path), read_only=True, config=_limits(settings)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("set enable_external_access = false")
        relation = connection.sql(sql)
        text = io.StringIO()
        if relation is not None:
            with redirect_stdout(text):
                relation.show(max_width=_QUERY_WIDTH, max_rows=_QUERY_ROWS)
        return text.getvalue().rstrip()


def previous_path(published_path: Path) -> Path:
    """Return where the copy that was published before is kept, for going back to it."""
    return published_path.with_name(f"{published_path.stem}.previous{published_path.suffix}")


def _write_copy(
    settings: Settings, copy_path: Path, relations: tuple[Relation, ...], build: Build
) -> None:
    with _both_files(settings, copy_path) as connection:
        for schema in sorted({relation.schema for relation in relations}):
            connection.execute(f"create schema {_COPY}.{identifier(schema)}")
        for relation in relations:
            _copy_relation(connection, relation)
        _describe_copy(connection, relations, build)
        connection.execute(f"checkpoint {_COPY}")
        connection.execute(f"detach {_COPY}")


@contextmanager
def _both_files(settings: Settings, copy_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for reading and the copy for writing, and nothing else."""
    with duckdb.connect(config=_limits(settings)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        attach = f"attach {literal(str(settings.warehouse_path))} as {_WAREHOUSE} (read_only)"
        when_free(settings.warehouse_path, lambda: connection.execute(attach))
        connection.execute(
            f"attach {literal(str(copy_path))} as {_COPY} (storage_version '{STORAGE_VERSION}')"
        )
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection


def _limits(settings: Settings) -> dict[str, str]:
    return {
        "memory_limit": settings.memory_limit,
        "threads": str(settings.threads),
        "temp_directory": str(settings.temp_dir),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }


def _copy_relation(connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    name = f"{identifier(relation.schema)}.{identifier(relation.name)}"
    try:
        described = connection.execute(f"describe {_WAREHOUSE}.{name}").fetchall()
        columns = ", ".join(
            declared(identifier(column), data_type) for column, data_type, *_ in described
        )
        connection.execute(f"create table {_COPY}.{name} ({columns})")
        connection.execute(f"insert into {_COPY}.{name} from {_WAREHOUSE}.{name}")
    except duckdb.CatalogException as error:
        raise PublishRefused(
            f"the model {relation.name} cannot be read from the warehouse "
            f"({str(error).splitlines()[0]}); run: clickstream build"
        ) from error
    if relation.description:
        connection.execute(f"comment on table {_COPY}.{name} is {literal(relation.description)}")
    there = {row[0] for row in connection.execute(f"describe {_COPY}.{name}").fetchall()}
    for column, description in relation.columns.items():
        if description and column in there:
            connection.execute(
                f"comment on column {_COPY}.{name}.{identifier(column)} is {literal(description)}"
            )


def _describe_copy(
    connection: duckdb.DuckDBPyConnection, relations: tuple[Relation, ...], build: Build
) -> None:
    """Add the table `published`: one row per table of the copy, with its rows and its age."""
    loaded_through_at = data_through_at = None
    if _has_table(connection, "raw", "load_files", _WAREHOUSE):
        # What came after the build, or was refused, is not in the marts.
        loaded_through_at = _value(
            connection,
            f"max(loaded_at) from {_WAREHOUSE}.raw.load_files where status = 'loaded' "
            f"and loaded_at <= timestamp {literal(build.recorded_at.isoformat(sep=' '))}",
        )
    if _EVENTS in {(relation.schema, relation.name) for relation in relations}:
        data_through_at = _value(connection, f"max(occurred_at) from {_COPY}.{'.'.join(_EVENTS)}")
    connection.execute(
        f"""
        create table {_COPY}.main.published (
            table_schema varchar,
            table_name varchar,
            row_count bigint,
            published_at timestamp,
            build_id varchar,
            built_at timestamp,
            loaded_through_at timestamp,
            data_through_at timestamp
        )
        """
    )
    connection.execute(
        f"comment on table {_COPY}.main.published is "
        "'One row per table of this file: how many rows it has and how old it is (UTC).'"
    )
    published_at = datetime.now(UTC).replace(tzinfo=None)
    for relation in relations:
        name = f"{_COPY}.{identifier(relation.schema)}.{identifier(relation.name)}"
        connection.execute(
            f"insert into {_COPY}.main.published values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                relation.schema,
                relation.name,
                _value(connection, f"count(*) from {name}"),
                published_at,
                build.build_id,
                build.recorded_at,
                loaded_through_at,
                data_through_at,
            ],
        )


def _swap(copy_path: Path, target: Path) -> None:
    """Put the finished copy in the target's place; keep the old one, and a checksum beside both."""
    copy_path.chmod(0o440)
    _sync(copy_path)
    checksum_path = target.with_name(f".{target.name}.sha256.{os.getpid()}.tmp")
    checksum_path.write_text(f"{_sha256(copy_path)}  {target.name}\n")
    checksum_path.chmod(0o444)
    if target.exists():
        kept_path = target.with_name(f".{target.name}.previous.{os.getpid()}.tmp")
        os.link(target, kept_path)
        kept_path.replace(previous_path(target))
    # A log left by somebody who opened the old file for writing would make the new one unusable.
    target.with_name(f"{target.name}.wal").unlink(missing_ok=True)
    copy_path.replace(target)
    checksum_path.replace(target.with_name(f"{target.name}.sha256"))
    _sync(target.parent)


def _sweep(target: Path) -> None:
    """Remove what a publication that was interrupted left behind."""
    for stray in target.parent.glob(f".{target.name}.*"):
        stray.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _has_table(
    connection: duckdb.DuckDBPyConnection, schema: str, name: str, catalog: str | None = None
) -> bool:
    return bool(
        connection.execute(
            "select 1 from information_schema.tables "
            "where table_schema = ? and table_name = ? "
            "and table_catalog = coalesce(?, current_catalog())",
            [schema, name, catalog],
        ).fetchall()
    )


def _value(connection: duckdb.DuckDBPyConnection, expression: str) -> object:
    return connection.execute(f"select {expression}").fetchall()[0][0]
