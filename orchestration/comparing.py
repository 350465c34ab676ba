"""Do two warehouses hold the same tables, row for row? DuckDB and dbt's manifest; no Dagster."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from orchestration import operations
from orchestration.loading.warehouse import identifier, literal
from orchestration.publishing import PUBLISHED_SCHEMAS
from orchestration.settings import Settings

# The name that the views of a warehouse know it by.
_WAREHOUSE = "warehouse"

_CANDIDATES = 100

Row = Mapping[str, object]


@dataclass(frozen=True)
class Example:
    """A row that only one warehouse has, beside the row of the other that is most like it."""

    key: str
    """The first column of the table; both rows have the same value there."""
    found: Row | None
    expected: Row | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns in which the two differ; none where one of them is missing."""
        if self.found is None or self.expected is None:
            return ()
        return tuple(name for name in self.found if self.found[name] != self.expected[name])


@dataclass(frozen=True)
class TableComparison:
    """How a table differs from the same table of the other warehouse."""

    name: str
    rows: int
    """How many rows are expected."""
    missing: int
    unexpected: int
    example: Example | None

    @property
    def differences(self) -> int:
        """Return how many rows only one of the two warehouses has."""
        return self.missing + self.unexpected


@dataclass(frozen=True)
class _Table:
    schema: str
    name: str
    is_only_added_to: bool
    """Whether it keeps rows that nothing has any more: those are no difference."""

    @property
    def relation(self) -> str:
        return f"{_WAREHOUSE}.{identifier(self.schema)}.{identifier(self.name)}"


def compare(found: Settings, expected: Settings) -> tuple[TableComparison, ...]:
    """Compare all that `found` holds in tables, marts and quality models with what `expected` does.

    dbt must have built `expected` last in its own folder: its manifest says which tables there are.
    """
    tables = _read_tables(expected.dbt_run_dir / "manifest.json")
    with tempfile.TemporaryDirectory(prefix="compare-", dir=expected.temp_dir) as folder:
        own = replace(expected, warehouse_path=Path(folder) / "compared.duckdb")
        with operations.connect(own) as connection:
            # Both have the same name, and can be open one after the other only.
            with _attached(connection, found.warehouse_path):
                for number, table in enumerate(tables):
                    connection.execute(f"create table found_{number} as from {table.relation}")
            with _attached(connection, expected.warehouse_path):
                return tuple(
                    _compare(connection, table, f"found_{number}")
                    for number, table in enumerate(tables)
                )


def _read_tables(manifest_path: Path) -> list[_Table]:
    """Return the models that are stored, and those that people read."""
    tables = [
        _Table(
            node["schema"], node["alias"], node["config"].get("incremental_strategy") == "append"
        )
        for node in json.loads(manifest_path.read_text())["nodes"].values()
        if node["resource_type"] == "model"
        and (
            node["config"]["materialized"] in ("table", "incremental")
            or node["schema"] in PUBLISHED_SCHEMAS
        )
    ]
    return sorted(tables, key=lambda table: (table.schema, table.name))


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    connection.execute(f"attach {literal(str(path))} as {_WAREHOUSE} (read_only)")
    try:
        yield
    finally:
        connection.execute(f"detach {_WAREHOUSE}")


def _compare(connection: duckdb.DuckDBPyConnection, table: _Table, found: str) -> TableComparison:
    # Stored first: a view would be computed for each question.
    connection.execute(f"create or replace temp table expected as from {table.relation}")
    sides = ["select false as _is_found, * from (from expected except all from {found})"]
    if not table.is_only_added_to:
        sides.append("select true as _is_found, * from (from {found} except all from expected)")
    connection.execute(
        "create or replace temp table differing as " + " union all ".join(sides).format(found=found)
    )
    ((rows, missing, unexpected),) = connection.execute(
        """
        select
            (select count(*) from expected),
            count(*) filter (not _is_found),
            count(*) filter (_is_found)
        from differing
        """
    ).fetchall()
    example = _example(connection) if missing + unexpected else None
    return TableComparison(f"{table.schema}.{table.name}", rows, missing, unexpected, example)


def _example(connection: duckdb.DuckDBPyConnection) -> Example:
    _, key, *_ = (name for name, *_ in connection.execute("describe differing").fetchall())
    ordered = f"order by {identifier(key)} nulls last, _is_found desc"
    first, *_ = _rows(connection, f"from differing {ordered} limit 1")
    others = _rows(
        connection,
        f"""
        from differing
        where
            _is_found != $is_found
            and {identifier(key)} is not distinct from (
                select {identifier(key)} from differing {ordered} limit 1
            )
        limit {_CANDIDATES}
        """,
        {"is_found": first["_is_found"]},
    )
    nearest = max(
        others, key=lambda row: sum(row[name] == first[name] for name in row), default=None
    )
    found, expected = (first, nearest) if first["_is_found"] else (nearest, first)
    return Example(key, _without_side(found), _without_side(expected))


def _rows(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: Mapping[str, object] | None = None,
) -> list[dict[str, object]]:
    cursor = connection.execute(query, parameters or {})
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _without_side(row: Row | None) -> Row | None:
    return row and {name: value for name, value in row.items() if name != "_is_found"}
