"""The tables of schema `raw`, created from the staging twins. Imports DuckDB."""

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from orchestration.loading.warehouse import LoadingStopped, identifier, roll_back
from orchestration.sources import RawTable, Source
from orchestration.storage import declared

OWN_COLUMNS_BEFORE = (
    ("_source_name", "varchar"),
    ("_source_timezone", "varchar"),
    ("_file_id", "varchar"),
    ("_row_number", "bigint"),
    ("_loaded_at", "timestamp"),
)
OWN_COLUMNS_AFTER = (("_other_fields", "json"),)

_LEDGER_TABLES = {
    "load_files": (
        ("load_id", "bigint"),
        ("file_id", "varchar"),
        ("source_name", "varchar"),
        ("source_kind", "varchar"),
        ("raw_table", "varchar"),
        ("path", "varchar"),
        ("content_sha256", "varchar"),
        ("size_bytes", "bigint"),
        ("modified_at", "timestamp"),
        ("status", "varchar"),
        ("reason", "varchar"),
        ("detail", "varchar"),
        ("records_read", "bigint"),
        ("records_loaded", "bigint"),
        ("records_rejected", "bigint"),
        ("superseded_by_file_id", "varchar"),
        ("loaded_at", "timestamp"),
        ("load_seconds", "double"),
        ("format", "varchar"),
        ("preamble", "blob"),
        ("options", "json"),
        ("etag", "varchar"),
    ),
    "rejected_records": (
        ("file_id", "varchar"),
        ("source_name", "varchar"),
        ("row_number", "bigint"),
        ("line_number", "bigint"),
        ("byte_offset", "bigint"),
        ("reason", "varchar"),
        ("detail", "varchar"),
        ("record_text", "varchar"),
        ("record_base64", "varchar"),
        ("rejected_at", "timestamp"),
        ("is_whole", "boolean"),
    ),
    "replayed_records": (
        ("file_id", "varchar"),
        ("source_name", "varchar"),
        ("row_number", "bigint"),
        ("reason", "varchar"),
        ("rejected_at", "timestamp"),
        ("replayed_at", "timestamp"),
    ),
    "file_fields": (
        ("file_id", "varchar"),
        ("source_name", "varchar"),
        ("field", "varchar"),
        ("data_type", "varchar"),
        ("record_count", "bigint"),
        ("file_record_count", "bigint"),
    ),
}

_SOURCES = """
create or replace table raw.sources (
    source_name varchar,
    source_kind varchar,
    raw_table varchar,
    path varchar,
    timezone varchar,
    user_namespace varchar,
    session_ids_from varchar,
    on_redelivery varchar,
    own_hosts varchar,
    earliest_date date,
    freshness_hours integer,
    is_configured boolean
)
"""


def create_raw_tables(
    connection: duckdb.DuckDBPyConnection,
    raw_tables: Mapping[str, RawTable],
    sources: Iterable[Source],
) -> None:
    """Create what is missing of schema `raw` and register the configured sources."""
    connection.execute("begin")
    try:
        connection.execute("create schema if not exists raw")
        for name, columns in _LEDGER_TABLES.items():
            _create(connection, name, columns)
        for table in raw_tables.values():
            for each in table.all_of_kind:
                _create(connection, each.name, table_columns(each))
        _register(connection, raw_tables, list(sources))
        connection.execute("commit")
    except BaseException as error:
        roll_back(connection, error)
        raise


def table_columns(table: RawTable) -> list[tuple[str, str]]:
    """Return name and type of every column of the raw table, the loader's own included."""
    columns = (*table.columns, *table.path_columns)
    declared = [(column.name, column.data_type) for column in columns]
    return [*OWN_COLUMNS_BEFORE, *declared, *OWN_COLUMNS_AFTER]


def _create(
    connection: duckdb.DuckDBPyConnection, table_name: str, expected: Sequence[tuple[str, str]]
) -> None:
    table = f"raw.{identifier(table_name)}"
    columns = ", ".join(declared(identifier(name), data_type) for name, data_type in expected)
    connection.execute(f"create table if not exists {table} ({columns})")
    found = {
        name: data_type
        for name, data_type in connection.execute(
            "select column_name, data_type from duckdb_columns() "
            "where schema_name = 'raw' and table_name = $1 and database_name = current_database()",
            [table_name],
        ).fetchall()
    }
    for name, data_type in expected:
        if name not in found:
            connection.execute(f"alter table {table} add column {identifier(name)} {data_type}")
            continue
        (wanted,) = connection.execute(f"select typeof(cast(null as {data_type}))").fetchone()
        if wanted != found[name]:
            raise LoadingStopped(
                f"raw.{table_name}.{name} has the type {found[name]}, and its staging twin now "
                f"says {wanted}; restore the type, or remove the warehouse and load again"
            )


def _register(
    connection: duckdb.DuckDBPyConnection,
    raw_tables: Mapping[str, RawTable],
    sources: Sequence[Source],
) -> None:
    """Write the sources as configured; one that no longer is keeps the settings it was read by."""
    connection.execute("create temp table before (source_name varchar)")
    if connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'raw' and table_name = 'sources' "
        "and database_name = current_database()"
    ).fetchall():
        connection.execute("create or replace temp table before as from raw.sources")
    connection.execute(_SOURCES)
    for source in sources:
        connection.execute(
            "insert into raw.sources values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, true)",
            [
                source.name,
                source.kind,
                raw_tables[source.kind].name,
                source.path,
                source.timezone,
                source.user_namespace,
                source.session_ids_from,
                source.on_redelivery,
                ",".join(source.own_hosts) or None,
                source.earliest_date,
                source.freshness_hours,
            ],
        )
    connection.execute(
        "insert into raw.sources by name from before "
        "where source_name not in (select source_name from raw.sources)"
    )
    connection.execute(
        "update raw.sources set is_configured = false where source_name not in "
        "(select unnest($1::varchar[]))",
        [[source.name for source in sources]],
    )
    connection.execute("drop table before")


def unfilled_mappings(
    connection: duckdb.DuckDBPyConnection, source: Source, raw_table: RawTable
) -> dict[str, str]:
    """Return the mapped columns that no loaded record fills: most likely a field is misspelt."""
    mapped = {
        column: origin for column, origin in source.mapping.items() if not origin.startswith("=")
    }
    if not mapped:
        return {}
    # `exists` stops at the first record; to count them would read all that was ever loaded.
    records = f"select 1 from raw.{identifier(raw_table.name)} where _source_name = $1"
    questions = [f"exists ({records} and {identifier(column)} is not null)" for column in mapped]
    (answers,) = connection.execute(
        f"select exists ({records}), {', '.join(questions)}", [source.name]
    ).fetchall()
    has_records, *is_filled = answers
    return {
        column: origin
        for (column, origin), filled in zip(mapped.items(), is_filled, strict=True)
        if has_records and not filled
    }
